// @@NAME on Android by LiteRT: com.google.ai.edge.litert:litert, version 1
// Needs Model.kt and Pixels.kt beside it. No network is used.
package classifier

import android.content.ContentResolver
import android.content.Context
import android.graphics.Bitmap
import android.graphics.ImageDecoder
import android.net.Uri
import java.io.Closeable
import java.io.FileInputStream
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.channels.FileChannel
import org.tensorflow.lite.Interpreter

class Classifier(context: Context) : Closeable {
    private val interpreter = Interpreter(file(context), Interpreter.Options().setNumThreads(2))

    /** (class name, probability) of an upright image in software memory, best first. */
    fun classify(bitmap: Bitmap): List<Pair<String, Float>> {
        val argb = IntArray(bitmap.width * bitmap.height)
        bitmap.getPixels(argb, 0, bitmap.width, 0, 0, bitmap.width, bitmap.height)
        val input = buffer(Model.HEIGHT * Model.WIDTH * Model.CHANNELS@@INPUT_BYTES)
        val pixels = pixels(argb, bitmap.width, bitmap.height)
        @@PUT
        input.rewind()
        val output = buffer(Model.LABELS.size@@OUTPUT_BYTES)
        interpreter.run(input, output)
        output.rewind()
        val scores = Model.LABELS.map { it to @@READ }
        return scores.sortedByDescending { it.second }
    }

    override fun close() = interpreter.close()

    companion object {
        /** A photo, upright by its EXIF orientation (Android 9 and later). */
        fun read(resolver: ContentResolver, uri: Uri): Bitmap =
            ImageDecoder.decodeBitmap(ImageDecoder.createSource(resolver, uri)) { decoder, _, _ ->
                decoder.allocator = ImageDecoder.ALLOCATOR_SOFTWARE
            }

        private fun buffer(bytes: Int): ByteBuffer =
            ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder())

        private fun file(context: Context): ByteBuffer {
            val asset = context.assets.openFd(Model.FILE)
            FileInputStream(asset.fileDescriptor).use { stream ->
                val mode = FileChannel.MapMode.READ_ONLY
                return stream.channel.map(mode, asset.startOffset, asset.declaredLength)
            }
        }
    }
}
