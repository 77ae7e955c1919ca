// @@NAME on iOS by LiteRT: pod 'TensorFlowLiteSwift'. Its file, @@FILE, goes into the app's
// bundle. No network is used. sha256 of the file: @@SHA256
import Foundation
import TensorFlowLite
import UIKit

/// What model.json says of the file.
enum Model {
    static let file = "@@FILE"
    static let height = @@HEIGHT
    static let width = @@WIDTH
    static let channels = @@CHANNELS  // @@CHANNEL_WORDS

    /// Class names, in the order of the output.
    static let labels = [
@@LABELS
    ]
}

final class Classifier {
    private let interpreter: Interpreter

    enum Failure: Error {
        case fileMissing
        case imageUnreadable
    }

    init() throws {
        let name = (Model.file as NSString).deletingPathExtension
        guard let path = Bundle.main.path(forResource: name, ofType: "tflite") else {
            throw Failure.fileMissing
        }
        interpreter = try Interpreter(modelPath: path)
        try interpreter.allocateTensors()
    }

    /// (class name, probability), best first.
    func classify(_ image: UIImage) throws -> [(String, Float)] {
        let (rgba, width, height) = try Classifier.rgba(of: image)
        let bytes = pixels(rgba: rgba, width: width, height: height)
        try interpreter.copy(@@PUT, toInputAt: 0)
        try interpreter.invoke()
        let stored = try interpreter.output(at: 0).data
        let scores = @@READ
        return Array(zip(Model.labels, scores)).sorted { $0.1 > $1.1 }
    }

    /// The image upright by its orientation and laid on white, four bytes a pixel.
    private static func rgba(of image: UIImage) throws -> ([UInt8], Int, Int) {
        let width = Int((image.size.width * image.scale).rounded())
        let height = Int((image.size.height * image.scale).rounded())
        var bytes = [UInt8](repeating: 255, count: 4 * width * height)
        let drawn = bytes.withUnsafeMutableBytes { memory -> Bool in
            guard
                let context = CGContext(
                    data: memory.baseAddress, width: width, height: height, bitsPerComponent: 8,
                    bytesPerRow: 4 * width, space: CGColorSpace(name: CGColorSpace.sRGB)!,
                    bitmapInfo: CGImageAlphaInfo.noneSkipLast.rawValue)
            else { return false }
            let place = CGRect(x: 0, y: 0, width: width, height: height)
            context.setFillColor(UIColor.white.cgColor)
            context.fill(place)
            context.translateBy(x: 0, y: CGFloat(height))
            context.scaleBy(x: 1, y: -1)
            UIGraphicsPushContext(context)
            image.draw(in: place)
            UIGraphicsPopContext()
            return true
        }
        guard drawn else { throw Failure.imageUnreadable }
        return (bytes, width, height)
    }
}

/// Bytes of the model's input, rows first: @@{GREY_WORDS}stretched to @@WIDTH x @@HEIGHT by bilinear
/// interpolation (antialiased where it shrinks), rounded half to even. Float32 at each step.
func pixels(rgba: [UInt8], width: Int, height: Int) -> [UInt8] {
    var image = flatten(rgba)
    if width != Model.width || height != Model.height {
        let inner = width * Model.channels
        image = gather(image, 1, height, inner, spans(from: height, to: Model.height))
        image = gather(
            image, Model.height, width, Model.channels, spans(from: width, to: Model.width))
    }
    return image.map { UInt8(min(255, max(0, $0.rounded(.toNearestOrEven)))) }
}

private func flatten(_ rgba: [UInt8]) -> [Float] {
    var out = [Float]()
    out.reserveCapacity(rgba.count / 4 * Model.channels)
    for i in stride(from: 0, to: rgba.count, by: 4) {
        let (red, green, blue) = (Float(rgba[i]), Float(rgba[i + 1]), Float(rgba[i + 2]))
        if Model.channels == 3 {
            out += [red, green, blue]
        } else {
            out.append(red * 0.299 + green * 0.587 + blue * 0.114)  // ITU-R BT.601
        }
    }
    return out
}

private struct Span {
    let start: Int
    let weights: [Float]
}

/// For each output position the first input position, and the weights of it and the next ones.
private func spans(from: Int, to: Int) -> [Span] {
    let scale = Float(to) / Float(from)
    let inverse = Float(1.0 / Double(scale))
    let reach = max(inverse, 1)  // a triangle, wider where it shrinks
    let overReach: Float = 1 / reach
    return (0..<to).map { x in
        let centre = (Float(x) + 0.5) * inverse
        let start = min(from - 1, max(0, Int((centre - reach - 0.5).rounded(.up))))
        let end = min(from - 1, max(0, Int((centre + reach - 0.5).rounded(.down))))
        let weights = (start...end).map { i -> Float in
            let away = abs((Float(i) + 0.5 - centre) * overReach)
            return away < 1 ? 1 - away : 0
        }
        let overSum: Float = 1 / weights.reduce(0, +)
        return Span(start: start, weights: weights.map { $0 * overSum })
    }
}

/// Weighted sums along the middle axis of an (outer, length, inner) array.
private func gather(
    _ values: [Float], _ outer: Int, _ length: Int, _ inner: Int, _ spans: [Span]
) -> [Float] {
    var out = [Float](repeating: 0, count: outer * spans.count * inner)
    for o in 0..<outer {
        for (x, span) in spans.enumerated() {
            let to = (o * spans.count + x) * inner
            for (k, weight) in span.weights.enumerated() {
                let at = (o * length + span.start + k) * inner
                for i in 0..<inner { out[to + i] += weight * values[at + i] }
            }
        }
    }
    return out
}
