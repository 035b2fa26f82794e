use vultus_tests::pictures::*;
use vultus_tests::sitter::*;
use vultus_vision::*;
fn main() {
    let o = Observer::load(&Models::read(&models()).unwrap()).unwrap();
    let mut embs = vec![];
    for p in Photograph::ALL {
        let pic = photograph(p).unwrap();
        let s = Sitter::new(&o, &pic).unwrap();
        std::fs::create_dir_all("/tmp/look").unwrap();
        for (i, yaw) in [0.0f32, -12.0, 12.0].into_iter().enumerate() {
            let t = std::time::Instant::now();
            let f = s.frame(Stance { yaw, pitch: 0.0, shift: (0.0, 0.0), light: 1.0 });
            let tw = t.elapsed();
            ::image::save_buffer(format!("/tmp/look/{p:?}{i}.png"), &f.rgb, f.width, f.height, ::image::ColorType::Rgb8).unwrap();
            let im = image(&f).unwrap();
            let t = std::time::Instant::now();
            let ob = o.observe(&im).unwrap();
            let to = t.elapsed();
            let (r, v) = match ob { Observation::Usable(v) => (None, Some(v)), Observation::Unusable(r, v) => (Some(r), v) };
            if let Some(v) = v {
                println!("{p:?} yaw {yaw}: {r:?} {:?} presence {:.3} {:?} warp {tw:?} observe {to:?}", v.pose, v.mesh.presence, v.quality);
                let t = std::time::Instant::now();
                embs.push((p, yaw, o.embed(&im, &v).unwrap().unwrap()));
                println!("   embed {:?}", t.elapsed());
            } else { println!("{p:?} yaw {yaw}: {r:?}"); }
        }
    }
    for (p, y, e) in &embs { print!("{p:?}{y:>4} "); for (_, _, f) in &embs { print!("{:6.3}", e.cosine(f)); } println!(); }
}
