package com.google.mediapipe.tasks.components.containers;
public class Classifications { public java.util.List<Category> categories() { return null; } }
