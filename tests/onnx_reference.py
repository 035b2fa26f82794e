"""Runs one network under ONNX Runtime, beside which ours is checked and timed.

As ONNX Runtime comes (default graph optimisation), on one thread. Files of numbers hold little-endian
32-bit floats and nothing else, elements in order.

Usage: onnx_reference.py MODEL.onnx INPUT...
           writes each input's outputs beside it, as INPUT.0, INPUT.1, ...
       onnx_reference.py --bench RUNS MODEL.onnx INPUT...
           says ONNX Runtime's version; then, for each line on standard input, runs RUNS times, one
           input after the other, and prints the milliseconds of each run as a JSON list
"""
import json
import sys
import time

import numpy as np
import onnxruntime


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def numbers(path, shape):
    return np.fromfile(path, "<f4").astype(np.float32).reshape(shape)


def bench(network, name, inputs, runs):
    def block(count):
        times = []
        for i in range(count):
            feed = {name: inputs[i % len(inputs)]}
            begun = time.perf_counter()
            network.run(None, feed)
            times.append((time.perf_counter() - begun) * 1e3)
        return times

    block(len(inputs))  # the first runs allocate
    print(onnxruntime.__version__, flush=True)
    for _ in sys.stdin:
        print(json.dumps(block(runs)), flush=True)


def main(arguments):
    runs = None
    if arguments[0] == "--bench":
        runs, arguments = int(arguments[1]), arguments[2:]
    network = session(arguments[0])
    declared = network.get_inputs()[0]
    inputs = [numbers(path, declared.shape) for path in arguments[1:]]
    if runs is not None:
        return bench(network, declared.name, inputs, runs)
    for path, values in zip(arguments[1:], inputs):
        for i, output in enumerate(network.run(None, {declared.name: values})):
            np.asarray(output, "<f4").tofile(f"{path}.{i}")


main(sys.argv[1:])
