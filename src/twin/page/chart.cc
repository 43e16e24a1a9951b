#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "twin/page/draw.h"
#include "twin/page/html.h"

namespace millrace::twin::page {
namespace {

constexpr double kWidth = 960, kHeight = 300, kLeft = 64, kRight = 16, kTop = 28, kBottom = 44;
constexpr std::size_t kTableRows = 48;
constexpr std::size_t kColours = 6;

std::string line_class(const ChartLine& line, std::size_t index) {
  if (line.style == ChartLine::Style::kLimit) return "limit";
  return fmt::format("{} c{}", line.style == ChartLine::Style::kArea ? "area" : "line", index % kColours);
}

Frame frame_of(const Chart& chart, TimePoint from, TimePoint to, Ticks& ticks) {
  double least = 0, most = -std::numeric_limits<double>::infinity();  // axes of amounts begin at 0
  for (const auto& line : chart.lines) {
    for (const double value : line.values) {
      if (!std::isfinite(value)) continue;
      least = std::min(least, value);
      most = std::max(most, value);
    }
  }
  ticks = round_ticks(least, std::max(most, least), 5);
  return {.x0 = kLeft,
          .width = kWidth - kLeft - kRight,
          .y0 = kHeight - kBottom,
          .height = kHeight - kTop - kBottom,
          .least = ticks.least,
          .most = ticks.most,
          .from = from,
          .to = to > from ? to : from + std::chrono::hours(1)};
}

void add_axes(std::string& out, const Frame& frame, const Ticks& ticks, const std::string& unit) {
  const auto right = frame.x0 + frame.width;
  for (const double tick : ticks.at) {
    const auto y = coordinate(frame.y(tick));
    out +=
        fmt::format("<line class=\"grid\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>", frame.x0, y, right, y);
    out += fmt::format("<text class=\"tick\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>", frame.x0 - 8,
                       coordinate(frame.y(tick) + 4), figure(tick));
  }
  out += fmt::format("<text class=\"unit\" x=\"8\" y=\"14\">{}</text>", escape(unit));
  const auto times = time_ticks(frame.from, frame.to, 10);
  double free_from = frame.x0 - 20;
  for (std::size_t i = 0; i < times.at.size(); ++i) {
    const double x = frame.x(times.at[i]);
    out += fmt::format("<line class=\"mark\" x1=\"{0}\" y1=\"{1}\" x2=\"{0}\" y2=\"{2}\"/>", coordinate(x),
                       frame.y0, frame.y0 + 5);
    // About 7 pixels a letter; a label that would touch the one before is left out, and so is one beyond the edge.
    const double half = 3.5 * static_cast<double>(times.labels[i].size());
    if (x - half < free_from || x + half > kWidth) continue;
    free_from = x + half + 6;
    out += fmt::format("<text class=\"tick\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                       coordinate(x), frame.y0 + 19, times.labels[i]);
  }
  out += fmt::format("<text class=\"unit\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>", right,
                     kHeight - 6, times.what);
}

void add_line(std::string& out, const Chart& chart, const ChartLine& line, std::size_t index,
              const Frame& frame) {
  const auto path = step_path(frame, chart.times, line.values);
  if (path.empty()) return;
  if (line.style == ChartLine::Style::kArea && path.find('M', 1) == std::string::npos) {
    const auto first = path.substr(1, path.find_first_of(" ,", 1) - 1);
    const auto base = coordinate(frame.y(std::clamp(0.0, frame.least, frame.most)));
    out += fmt::format("<path class=\"fill c{}\" d=\"{}V{}H{}Z\"/>", index % kColours, path, base, first);
  }
  out += fmt::format("<path class=\"{}\" d=\"{}\"><title>{}</title></path>", line_class(line, index), path,
                     escape(line.name));
}

std::string legend(const Chart& chart) {
  std::string out = "<ul class=\"legend\">";
  for (std::size_t i = 0; i < chart.lines.size(); ++i) {
    const auto& line = chart.lines[i];
    const bool area = line.style == ChartLine::Style::kArea;
    const auto ground =
        area ? fmt::format("<path class=\"fill c{}\" d=\"M1 2H27V11H1Z\"/>", i % kColours) : "";
    out += fmt::format(
        "<li><svg width=\"28\" height=\"12\" aria-hidden=\"true\">{}<path class=\"{}\" d=\"M1 "
        "{}H27\"/></svg>{}</li>",
        ground, line_class(line, i), area ? 2 : 6, escape(line.name));
  }
  return out + "</ul>";
}

std::string values_table(const Chart& chart) {
  const auto every = std::max<std::size_t>(1, (chart.times.size() + kTableRows - 1) / kTableRows);
  std::string out = fmt::format(
      "<details><summary>Values as a table{}</summary><div class=\"scroll\" tabindex=\"0\" role=\"region\" "
      "aria-label=\"Values of {}\"><table><thead><tr><th scope=\"col\">Time, UTC</th>",
      every > 1 ? fmt::format(" (one in {}; all are in the CSV)", every) : "", escape(chart.title));
  for (const auto& line : chart.lines) {
    out += fmt::format("<th scope=\"col\" class=\"n\">{}{}</th>", escape(line.name),
                       chart.unit.empty() ? "" : ", " + escape(chart.unit));
  }
  out += "</tr></thead><tbody>";
  for (std::size_t i = 0; i < chart.times.size(); i += every) {
    out += fmt::format("<tr><th scope=\"row\">{}</th>", moment(chart.times[i]));
    for (const auto& line : chart.lines) {
      out += fmt::format("<td class=\"n\">{}</td>", i < line.values.size() ? figure(line.values[i]) : "-");
    }
    out += "</tr>";
  }
  return out + "</tbody></table></div></details>";
}

/// Collects steps and merges those of one pixel.
class PathBuilder {
 public:
  explicit PathBuilder(const Frame& frame) : frame_(frame) {}
  void step(double x, double value) {
    const double y = frame_.y(value);
    if (column_ && std::floor(x) == *column_) {
      least_ = std::min(least_, y);
      most_ = std::max(most_, y);
      last_ = y;
      return;
    }
    flush();
    column_ = std::floor(x);
    x_ = x;
    first_ = least_ = most_ = last_ = y;
  }
  /// The line goes on level to `x` and ends there.
  void end(double x) {
    flush();
    column_.reset();
    if (open_) path_ += "H" + coordinate(x);
    open_ = false;
  }
  std::string take() { return std::move(path_); }

 private:
  void flush() {
    if (!column_) return;
    path_ += open_ ? fmt::format("H{}V{}", coordinate(x_), coordinate(first_))
                   : fmt::format("M{} {}", coordinate(x_), coordinate(first_));
    open_ = true;
    double at = first_;
    for (const double y : {most_, least_, last_}) {
      if (y != at) path_ += "V" + coordinate(y);
      at = y;
    }
  }

  const Frame& frame_;
  std::string path_;
  bool open_ = false;
  std::optional<double> column_;
  double x_ = 0, first_ = 0, least_ = 0, most_ = 0, last_ = 0;
};

}  // namespace

double Frame::x(TimePoint time) const {
  const double part = static_cast<double>((time - from).count()) / static_cast<double>((to - from).count());
  return x0 + width * std::clamp(part, 0.0, 1.0);
}

double Frame::y(double value) const { return y0 - height * (value - least) / (most - least); }

std::string step_path(const Frame& frame, const std::vector<TimePoint>& times,
                      const std::vector<double>& values) {
  PathBuilder path(frame);
  const auto count = std::min(times.size(), values.size());
  bool inside = false;
  for (std::size_t i = 0; i < count; ++i) {
    if (times[i] > frame.to) break;
    const double x = frame.x(times[i]);
    if (std::isfinite(values[i])) {
      path.step(x, values[i]);
    } else if (inside) {
      path.end(x);
    }
    inside = std::isfinite(values[i]);
  }
  if (inside) path.end(frame.x0 + frame.width);
  return path.take();
}

std::string chart(const Chart& chart, TimePoint from, TimePoint to) {
  Ticks ticks;
  const auto frame = frame_of(chart, from, to, ticks);
  const auto id = escape(chart.id);
  auto out = fmt::format("<section class=\"plot\" id=\"{0}\"><h2 id=\"{0}-title\">{1}</h2>", id,
                         escape(chart.title));
  if (!chart.note.empty()) out += fmt::format("<p>{}</p>", escape(chart.note));
  out += legend(chart);
  out += fmt::format(
      "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Plot: {1}\"><svg class=\"chart\" "
      "viewBox=\"0 0 {2} {3}\" role=\"img\" aria-labelledby=\"{0}-title\">",
      id, escape(chart.title), kWidth, kHeight);
  add_axes(out, frame, ticks, chart.unit);
  for (std::size_t i = 0; i < chart.lines.size(); ++i) add_line(out, chart, chart.lines[i], i, frame);
  return out + "</svg></div>" + values_table(chart) + "</section>\n";
}

}  // namespace millrace::twin::page
