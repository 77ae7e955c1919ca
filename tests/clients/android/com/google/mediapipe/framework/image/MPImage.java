package com.google.mediapipe.framework.image;
public class MPImage {}
