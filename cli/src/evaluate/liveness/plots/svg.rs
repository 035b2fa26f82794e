//! Writes lines and words as an SVG file that any browser shows. Colours differ for those who see few of
//! them, and each line has dashes of its own besides. It knows nothing of what is drawn.

/// Pixels of a whole drawing, and of the field within the axes: left, top, right, bottom.
const SIZE: (u32, u32) = (860, 520);
pub const FIELD: Field = Field { left: 70.0, top: 50.0, right: 520.0, bottom: 460.0 };
/// Where the legend begins, and the distance of its lines.
const LEGEND: (f64, f64) = (540.0, 62.0);
const LEGEND_LINE: f64 = 22.0;

/// Okabe and Ito's colours, without the yellow that white paper swallows.
const COLOURS: [&str; 7] = ["#000000", "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
const DASHES: [&str; 5] = ["none", "7 3", "2 3", "9 3 2 3", "12 4"];

/// The rectangle within the axes.
#[derive(Clone, Copy)]
pub struct Field {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl Field {
    /// A place in the field, by shares of its width from the left and of its height from the bottom, 0 to 1.
    pub fn at(self, across: f64, up: f64) -> (f64, f64) {
        let (across, up) = (across.clamp(0.0, 1.0), up.clamp(0.0, 1.0));
        (self.left + across * (self.right - self.left), self.bottom - up * (self.bottom - self.top))
    }
}

/// A drawing in the making.
pub struct Drawing {
    body: String,
    lines: usize,
}

impl Drawing {
    /// `said`: what it shows, for those who do not see it.
    pub fn new(title: &str, said: &str, (across, up): (&str, &str)) -> Self {
        let (width, height) = SIZE;
        let body = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" role=\"img\" aria-labelledby=\"title said\" font-family=\"sans-serif\" \
             font-size=\"13\">\n<title id=\"title\">{0}</title>\n<desc id=\"said\">{1}</desc>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n",
            escaped(title),
            escaped(said)
        );
        let mut drawing = Self { body, lines: 0 };
        let Field { left, top, right, bottom } = FIELD;
        drawing.words((left, 28.0), "start", "font-size=\"16\"", title);
        drawing.words(((left + right) / 2.0, bottom + 42.0), "middle", "", across);
        let middle = (top + bottom) / 2.0;
        drawing.words((18.0, middle), "middle", &format!("transform=\"rotate(-90 18 {middle:.1})\""), up);
        drawing.stroke(&[(left, top), (left, bottom), (right, bottom)], "stroke=\"#000000\"");
        drawing
    }

    /// A mark on the lower axis, at a share of it.
    pub fn tick_across(&mut self, across: f64, label: &str) {
        let (x, bottom) = FIELD.at(across, 0.0);
        self.stroke(&[(x, FIELD.top), (x, bottom)], "stroke=\"#dddddd\"");
        self.words((x, bottom + 18.0), "middle", "", label);
    }

    /// A mark on the left axis, at a share of it.
    pub fn tick_up(&mut self, up: f64, label: &str) {
        let (left, y) = FIELD.at(0.0, up);
        self.stroke(&[(left, y), (FIELD.right, y)], "stroke=\"#dddddd\"");
        self.words((left - 6.0, y + 4.0), "end", "", label);
    }

    /// A line of its own look through these places, with its name in the legend.
    pub fn line(&mut self, points: &[(f64, f64)], name: &str) {
        let colour = COLOURS[self.lines % COLOURS.len()];
        let dashes = DASHES[self.lines % DASHES.len()];
        let look = format!("stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{dashes}\"");
        self.stroke(points, &look);
        let (x, first) = LEGEND;
        let y = first + self.lines as f64 * LEGEND_LINE;
        self.stroke(&[(x, y - 4.0), (x + 36.0, y - 4.0)], &look);
        self.words((x + 44.0, y), "start", "", name);
        self.lines += 1;
    }

    pub fn finish(mut self) -> String {
        self.body.push_str("</svg>\n");
        self.body
    }

    fn stroke(&mut self, points: &[(f64, f64)], look: &str) {
        if points.is_empty() {
            return;
        }
        let places: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let line = format!("<polyline points=\"{}\" fill=\"none\" {look}/>\n", places.join(" "));
        self.body.push_str(&line);
    }

    fn words(&mut self, (x, y): (f64, f64), anchor: &str, more: &str, text: &str) {
        let words = format!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {more}>{}</text>\n",
            escaped(text)
        );
        self.body.push_str(&words);
    }
}

/// Names of folders may hold anything.
fn escaped(text: &str) -> String {
    let shown = text.chars().filter(|letter| !letter.is_control());
    shown.collect::<String>().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_are_words_only() {
        assert_eq!(escaped("a<b & \u{7}c>"), "a&lt;b &amp; c&gt;");
    }

    #[test]
    fn nothing_leaves_the_field() {
        assert_eq!(FIELD.at(-1.0, 2.0), (FIELD.left, FIELD.top));
        assert_eq!(FIELD.at(2.0, -1.0), (FIELD.right, FIELD.bottom));
    }

    #[test]
    fn neighbouring_lines_look_different() {
        let mut drawing = Drawing::new("t", "s", ("x", "y"));
        for name in ["one", "two"] {
            drawing.line(&[(100.0, 100.0), (200.0, 200.0)], name);
        }
        let drawn = drawing.finish();
        assert!(drawn.contains(COLOURS[0]) && drawn.contains(COLOURS[1]) && drawn.contains(DASHES[1]));
        assert!(drawn.contains(">one</text>") && drawn.contains("role=\"img\""));
    }
}
