//! Uncompressed video files (YUV4MPEG2, 4:4:4, full range): what the scripted camera plays, and anyone
//! can look at with an ordinary player.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

/// Rows of red, green, blue bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    pub width: u32,
    pub height: u32,
    pub rgb: Vec<u8>,
}

/// Writes pictures of one size as a video of so many frames a second.
pub fn write(path: &Path, rate: u32, pictures: &[Picture]) -> io::Result<()> {
    let first = pictures.first().ok_or_else(|| io::Error::other("a video needs a picture"))?;
    let mut file = io::BufWriter::new(std::fs::File::create(path)?);
    let (width, height) = (first.width, first.height);
    writeln!(file, "YUV4MPEG2 W{width} H{height} F{rate}:1 Ip A1:1 C444 XCOLORRANGE=FULL")?;
    for picture in pictures {
        if (picture.width, picture.height) != (width, height) {
            return Err(io::Error::other("the pictures differ in size"));
        }
        writeln!(file, "FRAME")?;
        let mut planes = vec![0; picture.rgb.len()];
        let plane = picture.rgb.len() / 3;
        for (i, p) in picture.rgb.chunks_exact(3).enumerate() {
            let [y, u, v] = yuv([p[0], p[1], p[2]]);
            (planes[i], planes[plane + i], planes[2 * plane + i]) = (y, u, v);
        }
        file.write_all(&planes)?;
    }
    file.flush()
}

/// A video as its pictures and its rate.
pub fn read(path: &Path) -> io::Result<(u32, Vec<Picture>)> {
    let mut file = BufReader::new(std::fs::File::open(path)?);
    let mut line = String::new();
    file.read_line(&mut line)?;
    let bad = || io::Error::other("not a video of this kind");
    let field = |letter: char| line.split_whitespace().skip(1).find_map(|w| w.strip_prefix(letter));
    let number = |letter: char| field(letter).and_then(|w| w.parse::<u32>().ok());
    let (width, height) = number('W').zip(number('H')).ok_or_else(bad)?;
    let rate = field('F').and_then(|f| f.split(':').next()?.parse().ok()).ok_or_else(bad)?;
    if !line.starts_with("YUV4MPEG2 ") || !line.contains(" C444") || width > 4096 || height > 4096 {
        return Err(bad());
    }
    let plane = width as usize * height as usize;
    let mut pictures = Vec::new();
    loop {
        let mut marker = String::new();
        if file.read_line(&mut marker)? == 0 {
            return Ok((rate, pictures));
        }
        let mut planes = vec![0; plane * 3];
        file.read_exact(&mut planes)?;
        let rgb =
            (0..plane).flat_map(|i| rgb([planes[i], planes[plane + i], planes[2 * plane + i]])).collect();
        pictures.push(Picture { width, height, rgb });
    }
}

/// BT.601, full range.
fn yuv([r, g, b]: [u8; 3]) -> [u8; 3] {
    let (r, g, b) = (f32::from(r), f32::from(g), f32::from(b));
    let y = 0.299 * r + 0.587 * g + 0.114 * b;
    let byte = |v: f32| v.round().clamp(0.0, 255.0) as u8;
    [byte(y), byte(128.0 + (b - y) / 1.772), byte(128.0 + (r - y) / 1.402)]
}

fn rgb([y, u, v]: [u8; 3]) -> [u8; 3] {
    let (y, u, v) = (f32::from(y), f32::from(u) - 128.0, f32::from(v) - 128.0);
    let byte = |v: f32| v.round().clamp(0.0, 255.0) as u8;
    [byte(y + 1.402 * v), byte(y - 0.344_136 * u - 0.714_136 * v), byte(y + 1.772 * u)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v.y4m");
        let picture = |seed: u8| Picture {
            width: 3,
            height: 2,
            rgb: (0..18).map(|i| seed.wrapping_mul(40).wrapping_add(i * 13)).collect(),
        };
        let pictures = [picture(1), picture(2)];
        write(&path, 30, &pictures).unwrap();
        let (rate, back) = read(&path).unwrap();
        assert_eq!((rate, back.len()), (30, 2));
        for (a, b) in pictures.iter().zip(&back) {
            assert!(a.rgb.iter().zip(&b.rgb).all(|(x, y)| x.abs_diff(*y) <= 2));
        }
    }
}
