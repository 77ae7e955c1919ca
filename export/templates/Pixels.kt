// From any image to what the model takes, number for number as its training was evaluated:
// laid on white, @@{GREY_WORDS}stretched to @@WIDTH x @@HEIGHT by bilinear interpolation
// (antialiased where it shrinks), rounded half to even. Float32 at each step.
package classifier

/** Bytes of the model's input, rows first, from the ARGB pixels of an upright image. */
fun pixels(argb: IntArray, width: Int, height: Int): ByteArray {
    var image = flatten(argb)
    if (width != Model.WIDTH || height != Model.HEIGHT) {
        val inner = width * Model.CHANNELS
        image = gather(image, 1, height, inner, spans(height, Model.HEIGHT))
        image = gather(image, Model.HEIGHT, width, Model.CHANNELS, spans(width, Model.WIDTH))
    }
    return ByteArray(image.size) { round(image[it]).coerceIn(0f, 255f).toInt().toByte() }
}

private fun round(value: Float): Float = Math.rint(value.toDouble()).toFloat()

private fun flatten(argb: IntArray): FloatArray {
    val out = FloatArray(argb.size * Model.CHANNELS)
    for (i in argb.indices) {
        val alpha = argb[i] ushr 24
        val share = alpha / 255f
        fun level(shift: Int): Float {
            val value = (argb[i] shr shift and 255).toFloat()
            return if (alpha == 255) value else round(value * share + 255f * (1f - share))
        }
        val red = level(16)
        val green = level(8)
        val blue = level(0)
        if (Model.CHANNELS == 3) {
            out[3 * i] = red
            out[3 * i + 1] = green
            out[3 * i + 2] = blue
        } else {
            out[i] = red * 0.299f + green * 0.587f + blue * 0.114f // ITU-R BT.601
        }
    }
    return out
}

private class Span(val start: Int, val weights: FloatArray)

/** For each output position the first input position, and the weights of it and the next ones. */
private fun spans(from: Int, to: Int): List<Span> {
    val scale = to.toFloat() / from.toFloat()
    val inverse = (1.0 / scale).toFloat()
    val reach = maxOf(inverse, 1f) // a triangle, wider where it shrinks
    val overReach = 1f / reach
    return List(to) { x ->
        val centre = (x + 0.5f) * inverse
        val start = Math.ceil((centre - reach - 0.5f).toDouble()).toInt().coerceIn(0, from - 1)
        val end = Math.floor((centre + reach - 0.5f).toDouble()).toInt().coerceIn(0, from - 1)
        val weights = FloatArray(end - start + 1) {
            val away = Math.abs((start + it + 0.5f - centre) * overReach)
            if (away < 1f) 1f - away else 0f
        }
        var sum = 0f
        for (weight in weights) sum += weight
        val overSum = 1f / sum
        for (k in weights.indices) weights[k] = weights[k] * overSum
        Span(start, weights)
    }
}

/** Weighted sums along the middle axis of an (outer, length, inner) array. */
private fun gather(
    values: FloatArray, outer: Int, length: Int, inner: Int, spans: List<Span>
): FloatArray {
    val out = FloatArray(outer * spans.size * inner)
    for (o in 0 until outer) {
        for ((x, span) in spans.withIndex()) {
            val to = (o * spans.size + x) * inner
            for ((k, weight) in span.weights.withIndex()) {
                val at = (o * length + span.start + k) * inner
                for (i in 0 until inner) out[to + i] += weight * values[at + i]
            }
        }
    }
    return out
}
