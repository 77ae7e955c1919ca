package com.google.mediapipe.tasks.core;
public class BaseOptions { public static Builder builder() { return null; } public static class Builder { public Builder setModelAssetPath(String path) { return this; } public BaseOptions build() { return null; } } }
