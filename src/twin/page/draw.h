// Draw: the plots of a report as inline SVG, whose colours are those of the page's style sheet.
#pragma once

#include <string>
#include <vector>

#include "twin/report.h"

namespace millrace::twin::page {

/// A figure with heading, note, legend, drawing, and its values as a table that unfolds. `from` and `to` are the run.
std::string chart(const Chart& chart, TimePoint from, TimePoint to);

/// One row for each of the first 60 jobs.
std::string gantt(const std::vector<GanttJob>& jobs, TimePoint from, TimePoint to);

/// Bars of what each account was entitled to and used; the first 40 that asked for most.
std::string fairness(const std::vector<AccountShare>& accounts);

/// The drawing of one line as the path of an SVG: holds each value until the next time; with more points than `width`
/// has pixels, the least and the most of each stay. `x0`, `width`, `y0` (bottom) and `height` in pixels.
struct Frame {
  double x0 = 0, width = 1, y0 = 1, height = 1;
  double least = 0, most = 1;  // values at the bottom and the top
  TimePoint from{}, to{};
  double x(TimePoint time) const;
  double y(double value) const;
};
std::string step_path(const Frame& frame, const std::vector<TimePoint>& times,
                      const std::vector<double>& values);

}  // namespace millrace::twin::page
