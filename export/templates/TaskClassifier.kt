// @@NAME on Android by MediaPipe Tasks: com.google.mediapipe:tasks-vision
// The labels come out of the file. MediaPipe resizes in its own way, so that scores differ a
// little from those in model.json; Classifier.kt gives them to the step. No network is used.
package classifier

import android.content.Context
import android.graphics.Bitmap
import com.google.mediapipe.framework.image.BitmapImageBuilder
import com.google.mediapipe.tasks.core.BaseOptions
import com.google.mediapipe.tasks.vision.imageclassifier.ImageClassifier
import java.io.Closeable

class TaskClassifier(context: Context) : Closeable {
    private val classifier = ImageClassifier.createFromOptions(
        context,
        ImageClassifier.ImageClassifierOptions.builder()
            .setBaseOptions(BaseOptions.builder().setModelAssetPath("@@FILE").build())
            .setMaxResults(@@RESULTS)
            .build()
    )

    /** (class name, probability) of an upright image, best first. */
    fun classify(bitmap: Bitmap): List<Pair<String, Float>> {
        val result = classifier.classify(BitmapImageBuilder(bitmap).build())
        val categories = result.classificationResult().classifications()[0].categories()
        return categories.map { it.categoryName() to it.score() }
    }

    override fun close() = classifier.close()
}
