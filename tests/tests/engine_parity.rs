//! The inference engine beside ONNX Runtime (default graph optimisation, one thread): the same numbers
//! in, on real photographs, and how far apart what comes out may be.

use vultus_tests::measure::{model_file, network_inputs, onnx_outputs};
use vultus_tests::pictures;
use vultus_vision::Models;
use vultus_vision::reference::{NETWORKS, Runner, Stages, run};

/// A network, and the most that two outputs may differ, as a share of the largest number among them.
///
/// Both engines sum in 32-bit floats, in different orders, so what they may differ by grows with the
/// numbers summed: ONNX Runtime is itself up to 1.2e-6 of the largest number away from the same network
/// in 64-bit arithmetic. Each bound is about ten times the largest difference measured on these five
/// photographs with tract 0.23.9 and ONNX Runtime 1.32.0, to leave room for other processors' kernels;
/// a wrong operator, padding or slope is off by far more.
const BOUNDS: [(&str, f32); 3] = [
    // Measured 6.3e-6: 0.042 of a logit of -6625, for a place without a face. See also below.
    ("blazeface-short-range", 5e-5),
    // Measured 7.7e-7: 0.00012 of 160 pixels.
    ("face-mesh", 1e-5),
    // Measured 1.1e-6: 0.000023 of 21.
    ("mobilefacenet-192", 1e-5),
];
/// Where the detector sees a face, which is all that is read of its output: the most that box, points
/// (pixels of its input) and logit may differ. Measured 4e-6 and 1e-6.
const FACES: f32 = 1e-4;
/// The least cosine between the two embeddings of one face. Measured 1 - 4e-13.
const COSINE: f64 = 0.999_999;

/// What both engines make of one network's inputs, one for each photograph.
struct Compared {
    name: &'static str,
    ours: Vec<Vec<Vec<f32>>>,
    theirs: Vec<Vec<Vec<f32>>>,
}

fn compare() -> Vec<Compared> {
    let stages = Stages::load(&Models::read(&pictures::models()).unwrap()).unwrap();
    let compare = |(name, inputs): (&'static str, Vec<Vec<f32>>)| {
        let theirs = onnx_outputs(&model_file(name).unwrap(), &inputs).unwrap();
        let runner = Runner::load(&pictures::models(), name).unwrap();
        let ours = inputs.into_iter().map(|input| runner.run(input).unwrap()).collect();
        Compared { name, ours, theirs }
    };
    NETWORKS.into_iter().zip(network_inputs(&stages).unwrap()).map(compare).collect()
}

fn largest(numbers: impl Iterator<Item = f32>) -> f32 {
    numbers.map(f32::abs).fold(0.0, f32::max)
}

fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    assert!(a.iter().chain(b).all(|x| x.is_finite()));
    largest(a.iter().zip(b).map(|(a, b)| a - b))
}

#[test]
fn our_engine_says_what_onnx_runtime_says() {
    let all = compare();
    for (compared, (name, bound)) in all.iter().zip(BOUNDS) {
        assert_eq!(compared.name, name);
        let mut worst = (0.0f32, 0.0, 0.0);
        for (ours, theirs) in compared.ours.iter().zip(&compared.theirs) {
            assert_eq!(ours.len(), theirs.len(), "{name}: outputs");
            for (ours, theirs) in ours.iter().zip(theirs) {
                let (apart, scale) = (difference(ours, theirs), largest(theirs.iter().copied()));
                if apart / scale > worst.0 {
                    worst = (apart / scale, apart, scale);
                }
            }
        }
        let (share, apart, scale) = worst;
        println!("{name}: {apart:e} of {scale}, a share of {share:e}");
        assert!(share < bound, "{name}: {apart} of {scale} is a share of {share}, over {bound}");
    }
    faces_are_the_same(&all[0]);
    embeddings_are_the_same(&all[2]);
}

/// Boxes are 16 numbers, each with a logit of its own.
fn faces_are_the_same(detector: &Compared) {
    for (ours, theirs) in detector.ours.iter().zip(&detector.theirs) {
        let ([boxes, logits], [their_boxes, their_logits]) = (ours.as_slice(), theirs.as_slice()) else {
            panic!("the detector has two outputs");
        };
        let faces: Vec<usize> = (0..logits.len()).filter(|&i| logits[i].max(their_logits[i]) > 0.0).collect();
        assert!(!faces.is_empty(), "no face was found");
        for i in faces {
            let row = i * 16..i * 16 + 16;
            let apart = difference(&boxes[row.clone()], &their_boxes[row]);
            let apart = apart.max((logits[i] - their_logits[i]).abs());
            assert!(apart < FACES, "face {i}: {apart}");
        }
    }
}

fn embeddings_are_the_same(embedder: &Compared) {
    for (ours, theirs) in embedder.ours.iter().zip(&embedder.theirs) {
        let dot = |a: &[f32], b: &[f32]| -> f64 {
            a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
        };
        let (a, b) = (&ours[0], &theirs[0]);
        let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
        assert!(cosine > COSINE, "cosine {cosine}");
    }
}

#[test]
fn a_network_that_is_not_in_the_manifest_is_not_run() {
    assert!(run(&pictures::models(), "another", Vec::new()).is_err());
    // Nor is one whose input has another size.
    assert!(run(&pictures::models(), NETWORKS[0], vec![0.0; 7]).is_err());
}
