package com.google.mediapipe.tasks.components.containers;
public class Category { public String categoryName() { return ""; } public float score() { return 0; } }
