//! The inference engine: numbers through a network. The only file that names tract.

use std::sync::Arc;

use tract_onnx::prelude::*;

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
        let plan = tract_onnx::onnx()
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
