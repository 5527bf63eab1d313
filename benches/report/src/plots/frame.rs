//! What every plot has: a white page, text, markers and a legend.

use std::io;

use plotters::coord::Shift;
use plotters::element::{Circle, PathElement, Polygon, Rectangle};
use plotters::prelude::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, IntoTextStyle, RGBColor, WHITE};

use super::failed;
use super::style::{BAND, INK, Marker, Style};
use crate::error::Result;

/// What is drawn on, in pixels.
pub(super) type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Whether it could be drawn.
pub(super) type Drawn<T = ()> = std::result::Result<T, DrawingAreaErrorKind<io::Error>>;

/// The width of every plot, in pixels.
pub(super) const WIDTH: u32 = 860;

/// Draws a plot of this height; `name` is its in errors.
pub(super) fn svg(name: &str, height: u32, draw: impl FnOnce(&Canvas<'_>) -> Drawn) -> Result<String> {
    let mut text = String::new();
    {
        let canvas = SVGBackend::with_string(&mut text, (WIDTH, height)).into_drawing_area();
        canvas.fill(&WHITE).map_err(failed(name))?;
        draw(&canvas).map_err(failed(name))?;
        canvas.present().map_err(failed(name))?;
    }
    Ok(text)
}

/// Where text stands to its point: the point is at its left or its right end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// Writes text, the point being half-way up.
pub(super) fn write(
    canvas: &Canvas<'_>,
    text: &str,
    at: (i32, i32),
    size: u32,
    color: RGBColor,
    align: Align,
) -> Drawn {
    let horizontal = match align {
        Align::Left => HPos::Left,
        Align::Right => HPos::Right,
    };
    let font = ("sans-serif", size).into_font();
    let style = font.color(&color).pos(Pos::new(horizontal, VPos::Center));
    canvas.draw_text(text, &style.into_text_style(canvas), at)
}

/// The heading of a plot.
pub(super) fn heading(canvas: &Canvas<'_>, text: &str) -> Drawn {
    write(canvas, text, (14, 20), 16, INK, Align::Left)
}

/// Paints what is behind the name of a group.
pub(super) fn band(canvas: &Canvas<'_>, from: (i32, i32), to: (i32, i32)) -> Drawn {
    canvas.draw(&Rectangle::new([from, to], BAND.filled()))
}

/// Puts a peer's marker.
pub(super) fn mark(canvas: &Canvas<'_>, (x, y): (i32, i32), style: Style) -> Drawn {
    const SIZE: i32 = 4;
    let filled = style.color.filled();
    match style.marker {
        Marker::Disc => canvas.draw(&Circle::new((x, y), SIZE, filled)),
        Marker::Ring => {
            canvas.draw(&Circle::new((x, y), SIZE, WHITE.filled()))?;
            canvas.draw(&Circle::new((x, y), SIZE, style.color.stroke_width(2)))
        }
        Marker::Triangle => {
            let corners = vec![(x, y - SIZE - 1), (x - SIZE - 1, y + SIZE), (x + SIZE + 1, y + SIZE)];
            canvas.draw(&Polygon::new(corners, filled))
        }
        Marker::Square => {
            let (left, right, top, bottom) = (x - SIZE, x + SIZE, y - SIZE, y + SIZE);
            let corners = vec![(left, top), (right, top), (right, bottom), (left, bottom)];
            canvas.draw(&Polygon::new(corners, filled))
        }
    }
}

/// Draws a line through points.
pub(super) fn line(canvas: &Canvas<'_>, points: Vec<(i32, i32)>, color: RGBColor, width: u32) -> Drawn {
    canvas.draw(&PathElement::new(points, color.stroke_width(width)))
}

/// The columns of a legend.
const COLUMNS: usize = 3;
/// The height of a line of a legend, in pixels.
const LINE: u32 = 19;

/// The height of a legend of so many entries, in pixels.
pub(super) fn legend_height(entries: usize) -> u32 {
    u32::try_from(entries.div_ceil(COLUMNS)).unwrap_or(0) * LINE + 6
}

/// Draws a legend from `top` downwards.
pub(super) fn legend<'a>(
    canvas: &Canvas<'_>,
    top: u32,
    entries: impl IntoIterator<Item = (&'a str, Style)>,
) -> Drawn {
    for (index, (name, style)) in entries.into_iter().enumerate() {
        let column = i32::try_from(index % COLUMNS * (WIDTH as usize - 30) / COLUMNS).unwrap_or(0);
        let row = i32::try_from(top as usize + index / COLUMNS * LINE as usize).unwrap_or(0) + 10;
        let left = 18 + column;
        line(canvas, vec![(left, row), (left + 24, row)], style.color, 2)?;
        mark(canvas, (left + 12, row), style)?;
        write(canvas, name, (left + 32, row), 13, INK, Align::Left)?;
    }
    Ok(())
}
