package org.tensorflow.lite;
public class Interpreter implements AutoCloseable { public static class Options { public Options setNumThreads(int n) { return this; } } public Interpreter(java.nio.ByteBuffer file, Options options) {} public void run(Object input, Object output) {} public void close() {} }
