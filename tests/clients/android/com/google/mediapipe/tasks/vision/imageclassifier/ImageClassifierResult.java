package com.google.mediapipe.tasks.vision.imageclassifier;
public class ImageClassifierResult { public com.google.mediapipe.tasks.components.containers.ClassificationResult classificationResult() { return null; } }
