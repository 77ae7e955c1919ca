// @@NAME, made for this very model. Its file, @@FILE, goes into src/main/assets.
// sha256 of the file: @@SHA256
package classifier

/** What model.json says of the file. */
object Model {
    const val FILE = "@@FILE"
    const val HEIGHT = @@HEIGHT
    const val WIDTH = @@WIDTH
    const val CHANNELS = @@CHANNELS // @@CHANNEL_WORDS

    /** Class names, in the order of the output. */
    val LABELS = listOf(
@@LABELS
    )
}
