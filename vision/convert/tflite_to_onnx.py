"""Converts one float TFLite face model to ONNX, and refuses any operator it does not know.

Input and four-dimensional activations are NCHW (TFLite's are NHWC), so that neither inference engine
has to transpose; what leaves a RESHAPE is in TFLite's own element order. An activation that
TFLite spells `relu(x) + c * (x - |x|)` becomes one PRelu of slope 2c: the same numbers to the last
bit (doubling is exact), in one pass instead of five.

Usage: tflite_to_onnx.py MODEL.tflite MODEL.onnx
"""
import sys

import numpy as np
import onnx
import tflite
from onnx import TensorProto, helper, numpy_helper

OPERATOR = {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}
ELEMENT = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.FLOAT16: np.float16,
    tflite.TensorType.INT32: np.int32,
}
COMPARISON = {"GREATER_EQUAL": "GreaterOrEqual", "LESS": "Less"}
FUSED = tflite.ActivationFunctionType


class Unsupported(Exception):
    pass


class Step:
    """One operator of the source graph."""

    def __init__(self, model, raw):
        code = model.OperatorCodes(raw.OpcodeIndex())
        self.kind = OPERATOR[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        self.inputs = [int(i) for i in raw.InputsAsNumpy()]
        self.output = int(raw.OutputsAsNumpy()[0])
        self.raw = raw

    def options(self, table):
        options, raw = table(), self.raw.BuiltinOptions()
        options.Init(raw.Bytes, raw.Pos)
        return options


class Conversion:
    def __init__(self, data):
        self.model = tflite.Model.GetRootAs(data, 0)
        self.graph = self.model.Subgraphs(0)
        self.steps = [Step(self.model, self.graph.Operators(i)) for i in range(self.graph.OperatorsLength())]
        self.constants = {}
        self.nodes, self.weights = [], []
        for i in range(self.graph.TensorsLength()):
            tensor = self.graph.Tensors(i)
            buffer = self.model.Buffers(tensor.Buffer())
            if buffer.DataLength():
                flat = np.frombuffer(buffer.DataAsNumpy().tobytes(), ELEMENT[tensor.Type()])
                self.constants[i] = flat.reshape(self.shape(i))

    # What the source says.

    def shape(self, i):
        """TFLite's shape, with the batch set to one."""
        tensor = self.graph.Tensors(i)
        shape = tensor.ShapeAsNumpy().tolist() if tensor.ShapeLength() else []
        if i not in getattr(self, "constants", {}) and len(shape) in (2, 4) and self.batched(i):
            shape[0] = 1
        return shape

    def batched(self, i):
        return not self.model.Buffers(self.graph.Tensors(i).Buffer()).DataLength()

    def constant(self, i):
        return self.constants[i].astype(np.float32)

    # What goes out.

    def name(self, i):
        return f"t{i}"

    def emit(self, kind, inputs, output, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [output], name=f"n{len(self.nodes)}", **attributes))

    def weight(self, array):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def fresh(self):
        return f"x{len(self.nodes)}"

    def activated(self, function, output):
        """The name an operator writes to, where `function` is still to follow it."""
        return output if function == FUSED.NONE else self.fresh()

    def activate(self, function, source, output):
        if function == FUSED.NONE:
            return
        if function != FUSED.RELU:
            raise Unsupported(f"fused activation {function}")
        self.emit("Relu", [source], output)

    def operand(self, i, rank):
        """An elementwise operand: NCHW where `rank` is four, else as it is."""
        if i not in self.constants:
            return self.name(i)
        value = self.constant(i)
        if rank == 2:
            return self.weight(value)
        if value.ndim == 1 and value.size > 1:
            value = value.reshape(1, -1, 1, 1)
        elif value.ndim > 1:
            raise Unsupported(f"elementwise constant of shape {value.shape}")
        return self.weight(value)

    # One method an operator kind.

    def convolution(self, step, depthwise):
        options = step.options(tflite.DepthwiseConv2DOptions if depthwise else tflite.Conv2DOptions)
        kernel = self.constant(step.inputs[1])
        kernel = kernel.transpose(3, 0, 1, 2) if depthwise else kernel.transpose(0, 3, 1, 2)
        height, width = kernel.shape[2:]
        size = self.shape(step.inputs[0])[1:3]
        strides = [options.StrideH(), options.StrideW()]
        if (options.DilationHFactor(), options.DilationWFactor()) != (1, 1):
            raise Unsupported("dilation")
        inputs = [self.name(step.inputs[0]), self.weight(kernel)]
        if len(step.inputs) > 2:
            inputs.append(self.weight(self.constant(step.inputs[2])))
        function, output = options.FusedActivationFunction(), self.name(step.output)
        raw = self.activated(function, output)
        self.emit("Conv", inputs, raw, kernel_shape=[height, width], strides=strides,
                  pads=padding(options.Padding(), size, [height, width], strides),
                  group=kernel.shape[0] if depthwise else 1)
        self.activate(function, raw, output)

    def pool(self, step, kind):
        options = step.options(tflite.Pool2DOptions)
        if options.FusedActivationFunction() != FUSED.NONE:
            raise Unsupported("an activation fused into a pool")
        kernel = [options.FilterHeight(), options.FilterWidth()]
        strides = [options.StrideH(), options.StrideW()]
        size = self.shape(step.inputs[0])[1:3]
        # An average leaves padding out: TFLite's does, and ONNX's unless told otherwise.
        self.emit(kind, [self.name(step.inputs[0])], self.name(step.output), kernel_shape=kernel,
                  strides=strides, pads=padding(options.Padding(), size, kernel, strides))

    def leaky_relu(self, step):
        alpha = step.options(tflite.LeakyReluOptions).Alpha()
        self.emit("LeakyRelu", [self.name(step.inputs[0])], self.name(step.output), alpha=alpha)

    def fully_connected(self, step):
        options = step.options(tflite.FullyConnectedOptions)
        matrix, bias = self.constant(step.inputs[1]), self.constant(step.inputs[2])
        source = self.in_source_order(step.inputs[0])
        rows = self.fresh()
        self.emit("Reshape", [source, self.weight(np.array([1, matrix.shape[1]], np.int64))], rows)
        function, output = options.FusedActivationFunction(), self.name(step.output)
        raw = self.activated(function, output)
        self.emit("Gemm", [rows, self.weight(matrix), self.weight(bias)], raw, transB=1)
        self.activate(function, raw, output)

    def comparison(self, step, kind):
        rank = len(self.shape(step.inputs[0]))
        self.emit(kind, [self.operand(i, rank) for i in step.inputs], self.name(step.output))

    def cast(self, step):
        if self.graph.Tensors(step.output).Type() != tflite.TensorType.FLOAT32:
            raise Unsupported("a cast to anything but float")
        self.emit("Cast", [self.name(step.inputs[0])], self.name(step.output), to=TensorProto.FLOAT)

    def strided_slice(self, step):
        """Only one that takes everything: what is left of `x[:, :]`."""
        options = step.options(tflite.StridedSliceOptions)
        rank = len(self.shape(step.inputs[0]))
        everything = 2**rank - 1
        masks = [options.BeginMask(), options.EndMask(), options.NewAxisMask(), options.ShrinkAxisMask()]
        if masks != [everything, everything, 0, 0] or any(self.constants[step.inputs[3]] != 1):
            raise Unsupported("a slice that leaves something out")
        self.emit("Identity", [self.name(step.inputs[0])], self.name(step.output))

    def elementwise(self, step, kind, table):
        function, output = step.options(table).FusedActivationFunction(), self.name(step.output)
        raw = self.activated(function, output)
        rank = len(self.shape(step.output))
        self.emit(kind, [self.operand(i, rank) for i in step.inputs], raw)
        self.activate(function, raw, output)

    def prelu(self, step):
        slope = self.constant(step.inputs[1]).reshape(-1, 1, 1)
        self.emit("PRelu", [self.name(step.inputs[0]), self.weight(slope)], self.name(step.output))

    def pad(self, step):
        amounts = self.constants[step.inputs[1]].astype(np.int64)[[0, 3, 1, 2]]
        both = np.concatenate([amounts[:, 0], amounts[:, 1]])
        self.emit("Pad", [self.name(step.inputs[0]), self.weight(both)], self.name(step.output), mode="constant")

    def in_source_order(self, i):
        """The name of a tensor whose elements are in TFLite's order."""
        if len(self.shape(i)) != 4:
            return self.name(i)
        rows = self.fresh()
        self.emit("Transpose", [self.name(i)], rows, perm=[0, 2, 3, 1])
        return rows

    def reshape(self, step):
        source = self.in_source_order(step.inputs[0])
        shape = self.shape(step.output)
        if shape[0] != 1:
            shape[0] = 1
        self.emit("Reshape", [source, self.weight(np.array(shape, np.int64))], self.name(step.output))

    def concatenation(self, step):
        options = step.options(tflite.ConcatenationOptions)
        if len(self.shape(step.output)) == 4:
            raise Unsupported("concatenation of feature maps")
        self.emit("Concat", [self.name(i) for i in step.inputs], self.name(step.output), axis=options.Axis())

    def spelled_out_prelu(self, at):
        """The five steps from `at` that spell a PRelu, as (input, slope, output), or None."""
        steps = self.steps[at:at + 5]
        if sorted(s.kind for s in steps) != ["ABS", "ADD", "MUL", "RELU", "SUB"]:
            return None
        by = {s.kind: s for s in steps}
        source = by["RELU"].inputs[0]
        constants = [i for i in by["MUL"].inputs if i in self.constants]
        fits = (
            by["ABS"].inputs == [source]
            and by["SUB"].inputs == [source, by["ABS"].output]
            and len(constants) == 1
            and by["SUB"].output in by["MUL"].inputs
            and set(by["ADD"].inputs) == {by["RELU"].output, by["MUL"].output}
        )
        if not fits:
            return None
        slope = 2 * self.constant(constants[0]).reshape(-1, 1, 1)
        return source, slope, by["ADD"].output

    def run(self):
        at = 0
        while at < len(self.steps):
            prelu = self.spelled_out_prelu(at)
            if prelu:
                source, slope, output = prelu
                self.emit("PRelu", [self.name(source), self.weight(slope)], self.name(output))
                at += 5
                continue
            self.convert(self.steps[at])
            at += 1
        return self.finish()

    def convert(self, step):
        if step.kind == "DEQUANTIZE":
            self.constants[step.output] = self.constant(step.inputs[0])
        elif step.kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            self.convolution(step, step.kind != "CONV_2D")
        elif step.kind == "MAX_POOL_2D":
            self.pool(step, "MaxPool")
        elif step.kind == "AVERAGE_POOL_2D":
            self.pool(step, "AveragePool")
        elif step.kind == "ADD":
            self.elementwise(step, "Add", tflite.AddOptions)
        elif step.kind == "SUB":
            self.elementwise(step, "Sub", tflite.SubOptions)
        elif step.kind == "MUL":
            self.elementwise(step, "Mul", tflite.MulOptions)
        elif step.kind == "RELU":
            self.emit("Relu", [self.name(step.inputs[0])], self.name(step.output))
        elif step.kind == "ABS":
            self.emit("Abs", [self.name(step.inputs[0])], self.name(step.output))
        elif step.kind == "LEAKY_RELU":
            self.leaky_relu(step)
        elif step.kind == "PRELU":
            self.prelu(step)
        elif step.kind == "PAD":
            self.pad(step)
        elif step.kind == "RESHAPE":
            self.reshape(step)
        elif step.kind == "CONCATENATION":
            self.concatenation(step)
        elif step.kind == "FULLY_CONNECTED":
            self.fully_connected(step)
        elif step.kind in COMPARISON:
            self.comparison(step, COMPARISON[step.kind])
        elif step.kind == "CAST":
            self.cast(step)
        elif step.kind == "STRIDED_SLICE":
            self.strided_slice(step)
        else:
            raise Unsupported(step.kind)

    def finish(self):
        def described(i):
            shape = self.shape(i)
            shape = [shape[0], shape[3], shape[1], shape[2]] if len(shape) == 4 else [1] + shape[1:]
            return helper.make_tensor_value_info(self.name(i), TensorProto.FLOAT, shape)

        graph = helper.make_graph(
            self.nodes, "face",
            [described(int(i)) for i in self.graph.InputsAsNumpy()],
            [described(int(i)) for i in self.graph.OutputsAsNumpy()],
            self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        return model


def padding(kind, size, kernel, strides):
    """ONNX pads for TFLite's SAME (more at the end) or VALID."""
    if kind != tflite.Padding.SAME:
        return [0, 0, 0, 0]
    begin, end = [], []
    for length, window, stride in zip(size, kernel, strides):
        total = max(0, (-(-length // stride) - 1) * stride + window - length)
        begin.append(total // 2)
        end.append(total - total // 2)
    return begin + end


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as source:
        converted = Conversion(source.read()).run()
    onnx.save(converted, sys.argv[2])
