//! The inference engine: numbers through a network. The only file that names tract.
//!
//! One operator is our own: tract spells PRelu as a comparison, a product and a choice, in three passes
//! of which none is vectorised; these networks spend half their time there. [`PRelu`] is one pass.

use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_hir::internal::{Expansion, InferenceResult, Solver, TensorProxy, expand};

use crate::VisionError;

/// A network of one input, ready to run; it may be used from several threads.
pub struct Network {
    name: &'static str,
    plan: Arc<TypedSimplePlan>,
    input: [usize; 4],
}

impl Network {
    /// Loads ONNX bytes whose hash has been checked. `input` is batch, channels, height, width.
    pub fn load(name: &'static str, bytes: &[u8], input: [usize; 4]) -> Result<Self, VisionError> {
        let failed = |e: TractError| VisionError::ModelFailed(name.into(), format!("{e:#}"));
        let mut onnx = tract_onnx::onnx();
        onnx.op_register.insert("PRelu", |_, _| Ok((expand(PReluByChannel), vec![])));
        let plan = onnx
            .model_for_read(&mut std::io::Cursor::new(bytes))
            .and_then(|model| model.with_input_fact(0, f32::fact(input).into()))
            .and_then(|model| model.into_optimized())
            .and_then(|model| model.into_runnable())
            .map_err(failed)?;
        Ok(Self { name, plan, input })
    }

    /// Runs once: the input's elements in order, the outputs' elements in order.
    pub fn run(&self, input: Vec<f32>) -> Result<Vec<Vec<f32>>, VisionError> {
        let failed = |e: TractError| VisionError::ModelFailed(self.name.into(), format!("{e:#}"));
        let shape = tract_ndarray::IxDyn(&self.input);
        let array = tract_ndarray::ArrayD::from_shape_vec(shape, input)
            .map_err(|e| VisionError::ModelFailed(self.name.into(), e.to_string()))?;
        let outputs = self.plan.run(tvec!(Tensor::from(array).into())).map_err(failed)?;
        outputs
            .iter()
            .map(|output| Ok(output.to_plain_array_view::<f32>().map_err(failed)?.iter().copied().collect()))
            .collect()
    }
}

/// ONNX's PRelu on its way into the graph: the input, and a constant slope of one number a channel.
#[derive(Debug, Clone, Hash, PartialEq, Eq)]
struct PReluByChannel;

impl Expansion for PReluByChannel {
    fn name(&self) -> StaticName {
        "PReluByChannel".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        solver.equals(&inputs[0].datum_type, &outputs[0].datum_type)?;
        solver.equals(&inputs[0].shape, &outputs[0].shape)
    }

    fn wire(&self, name: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let slope = model.outlet_fact(inputs[1])?.konst.clone().context("PRelu without a constant slope")?;
        let fact = model.outlet_fact(inputs[0])?;
        let channels = fact.shape.get(1).context("PRelu without channels")?.to_usize()?;
        ensure!(slope.len() == channels && fact.datum_type == f32::datum_type(), "PRelu of another kind");
        model.wire_node(name, PRelu { slope }, &inputs[..1])
    }
}

/// max(x, 0) + slope · min(x, 0), the slope by channel, over batch x channels x …
#[derive(Debug, Clone, Hash, PartialEq, Eq)]
struct PRelu {
    slope: Arc<Tensor>,
}

impl Op for PRelu {
    fn name(&self) -> StaticName {
        "PRelu".into()
    }

    op_as_typed_op!();
}

impl EvalOp for PRelu {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, mut inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let mut tensor = inputs.remove(0).into_tensor();
        let slopes = self.slope.to_plain_array_view::<f32>()?;
        let plane: usize = tensor.shape().iter().skip(2).product();
        let mut view = tensor.to_plain_array_view_mut::<f32>()?;
        let numbers = view.as_slice_mut().context("PRelu of a strided tensor")?;
        for (plane, slope) in numbers.chunks_exact_mut(plane.max(1)).zip(slopes.iter().cycle()) {
            for x in plane {
                *x = x.max(0.0) + slope * x.min(0.0);
            }
        }
        Ok(tvec!(tensor.into()))
    }
}

impl TypedOp for PRelu {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(inputs[0].without_value()))
    }

    as_op!();
}
