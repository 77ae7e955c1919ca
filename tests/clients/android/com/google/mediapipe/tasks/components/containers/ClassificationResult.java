package com.google.mediapipe.tasks.components.containers;
public class ClassificationResult { public java.util.List<Classifications> classifications() { return null; } }
