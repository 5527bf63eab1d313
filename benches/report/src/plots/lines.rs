//! A panel of lines over two logarithmic axes.

use plotters::prelude::{BindKeyPoints, ChartBuilder, IntoLogRange};
use plotters::style::{Color, IntoFont};

use super::axis::LogAxis;
use super::frame::{Align, Canvas, Drawn, line, mark, write};
use super::style::{FINE_GRID, GRID, INK, Style};

/// What a panel shows.
pub(super) struct Panel<'a> {
    /// Above it.
    pub(super) title: String,
    /// Below it.
    pub(super) x_title: &'a str,
    /// Its axis from left to right.
    pub(super) x: LogAxis,
    /// How numbers of it are written.
    pub(super) x_number: &'a dyn Fn(f64) -> String,
    /// Its axis from below to above.
    pub(super) y: LogAxis,
    /// How numbers of it are written.
    pub(super) y_number: &'a dyn Fn(f64) -> String,
    /// Points from left to right.
    pub(super) series: Vec<(Style, Vec<(f64, f64)>)>,
}

/// Draws a panel over all of an area.
pub(super) fn panel(canvas: &Canvas<'_>, panel: &Panel<'_>) -> Drawn {
    let Panel { title, x_title, x, x_number, y, y_number, series } = panel;
    let (left, top) = canvas.get_base_pixel();
    let mut chart = ChartBuilder::on(canvas)
        .margin_top(30)
        .margin_right(24)
        .margin_bottom(4)
        .x_label_area_size(40)
        .y_label_area_size(66)
        .build_cartesian_2d(
            x.range
                .clone()
                .log_scale()
                .with_key_points(x.numbers.clone())
                .with_light_points(x.between.clone()),
            y.range
                .clone()
                .log_scale()
                .with_key_points(y.numbers.clone())
                .with_light_points(y.between.clone()),
        )?;
    chart
        .configure_mesh()
        .bold_line_style(GRID.stroke_width(1))
        .light_line_style(FINE_GRID.stroke_width(1))
        .axis_style(INK.stroke_width(1))
        .label_style(("sans-serif", 12).into_font().color(&INK))
        .axis_desc_style(("sans-serif", 12).into_font().color(&INK))
        .x_labels(x.numbers.len() + 1)
        .y_labels(y.numbers.len() + 1)
        .x_label_formatter(&|value| x_number(*value))
        .y_label_formatter(&|value| y_number(*value))
        .x_desc(*x_title)
        .draw()?;
    // From here on in pixels of the area.
    let pixels = |points: &[(f64, f64)]| -> Vec<(i32, i32)> {
        let all = points.iter().map(|point| chart.backend_coord(point));
        all.map(|(x, y)| (x - left, y - top)).collect()
    };
    write(canvas, title, (66, 16), 13, INK, Align::Left)?;
    // Ours is the first, and nothing is drawn over it.
    for (style, points) in series.iter().rev() {
        let points = pixels(points);
        line(canvas, points.clone(), style.color, 2)?;
        for point in points {
            mark(canvas, point, *style)?;
        }
    }
    Ok(())
}
