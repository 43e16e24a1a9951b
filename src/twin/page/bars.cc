#include <fmt/format.h>

#include <algorithm>

#include "twin/page/draw.h"
#include "twin/page/html.h"

namespace millrace::twin::page {
namespace {

constexpr double kWidth = 960, kRight = 16, kTop = 20, kBottom = 40;
constexpr std::size_t kJobsMax = 60, kAccountsMax = 40, kLabelMax = 26;

std::string shortened(std::string_view text) {
  if (text.size() <= kLabelMax) return escape(text);
  auto cut = kLabelMax - 1;
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) --cut;
  return escape(text.substr(0, cut)) + "…";
}

/// Room for labels of so many letters, of about 7.5 pixels each.
double label_width(std::size_t letters) {
  return 16 + 7.5 * static_cast<double>(std::clamp<std::size_t>(letters, 8, kLabelMax + 7));
}

/// Above and below, as a list of many jobs is taller than a window.
void add_time_axis(std::string& out, const Frame& frame) {
  const auto times = time_ticks(frame.from, frame.to, 9);
  double free_from = frame.x0 - 20;
  for (std::size_t i = 0; i < times.at.size(); ++i) {
    const double x = frame.x(times.at[i]);
    out += fmt::format("<line class=\"grid\" x1=\"{0}\" y1=\"{1}\" x2=\"{0}\" y2=\"{2}\"/>", coordinate(x),
                       coordinate(frame.y0 - frame.height), coordinate(frame.y0));
    const double half = 3.5 * static_cast<double>(times.labels[i].size());
    if (x - half < free_from || x + half > kWidth) continue;
    free_from = x + half + 6;
    for (const double y : {frame.y0 + 16, frame.y0 - frame.height - 6}) {
      out += fmt::format("<text class=\"tick\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                         coordinate(x), coordinate(y), times.labels[i]);
    }
  }
  out += fmt::format("<text class=\"unit\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>", kWidth - kRight,
                     coordinate(frame.y0 + 34), times.what);
}

void add_job(std::string& out, const GanttJob& job, const Frame& frame, double top) {
  constexpr double kBar = 12;
  out += fmt::format("<text class=\"tick\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{} · {}</text>",
                     frame.x0 - 8, coordinate(top + 11), shortened(job.name), job.accelerators);
  const auto bar = [&](std::string_view kind, TimePoint from, TimePoint to, std::string_view what) {
    if (to < frame.from || from > frame.to || to <= from) return;
    const double x = frame.x(from);
    out += fmt::format(
        "<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"><title>{}: {}, {} to "
        "{}</title></rect>",
        kind, coordinate(x), coordinate(top + 2), coordinate(std::max(1.0, frame.x(to) - x)), kBar,
        escape(job.name), what, moment(from), moment(to));
  };
  auto since = job.arrival;
  for (const auto& stretch : job.stretches) {
    bar("waits", since, stretch.from, "waits");
    bar(stretch.capped ? "capped" : "runs", stretch.from, stretch.to,
        stretch.capped ? "runs under a power cap" : "runs");
    since = stretch.to;
  }
  if (job.stretches.empty()) bar("waits", job.arrival, frame.to, "waits");
}

std::string gantt_table(const std::vector<GanttJob>& jobs, std::size_t shown) {
  std::string out =
      "<details><summary>Jobs as a table</summary><div class=\"scroll\" tabindex=\"0\" role=\"region\" "
      "aria-label=\"Large jobs\"><table><thead><tr>"
      "<th scope=\"col\">Job</th><th scope=\"col\">Account</th><th scope=\"col\" "
      "class=\"n\">Accelerators</th><th scope=\"col\">Arrival, UTC</th>"
      "<th scope=\"col\">First start</th><th scope=\"col\">Last end</th><th scope=\"col\" "
      "class=\"n\">Runs</th></tr></thead><tbody>";
  for (std::size_t i = 0; i < shown; ++i) {
    const auto& job = jobs[i];
    const bool ran = !job.stretches.empty();
    out += fmt::format(
        "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"n\">{}</td><td>{}</td><td>{}</td><td>{}</td><td "
        "class=\"n\">{}</td></tr>",
        escape(job.name), escape(job.account), job.accelerators, moment(job.arrival),
        ran ? moment(job.stretches.front().from) : "-", ran ? moment(job.stretches.back().to) : "-",
        job.stretches.size());
  }
  return out + "</tbody></table></div></details>";
}

std::string accounts_table(const std::vector<AccountShare>& accounts) {
  std::string out =
      "<details open><summary>Accounts as a table</summary><div class=\"scroll\" tabindex=\"0\" "
      "role=\"region\" aria-label=\"Accounts\"><table><thead><tr><th scope=\"col\">Account</th>"
      "<th scope=\"col\" class=\"n\">Entitled, %</th><th scope=\"col\" class=\"n\">Used, %</th><th "
      "scope=\"col\" class=\"n\">Accelerator-hours</th>"
      "<th scope=\"col\" class=\"n\">Jobs</th><th scope=\"col\" class=\"n\">Mean "
      "wait</th></tr></thead><tbody>";
  for (const auto& each : accounts) {
    out += fmt::format(
        "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td><td "
        "class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
        escape(each.account), figure(each.entitled * 100), figure(each.used * 100),
        figure(each.accelerator_hours), figure(static_cast<double>(each.jobs)),
        figure(each.wait_mean_s, "s"));
  }
  return out + "</tbody></table></div></details>";
}

}  // namespace

std::string gantt(const std::vector<GanttJob>& jobs, TimePoint from, TimePoint to) {
  constexpr double kRow = 17;
  const auto shown = std::min(jobs.size(), kJobsMax);
  std::size_t letters = 0;
  for (std::size_t i = 0; i < shown; ++i) {
    letters = std::max(letters, std::min(jobs[i].name.size(), kLabelMax) + 3 +
                                    fmt::formatted_size("{}", jobs[i].accelerators));
  }
  const double left = label_width(letters);
  const double height = kRow * static_cast<double>(shown);
  const Frame frame{.x0 = left,
                    .width = kWidth - left - kRight,
                    .y0 = kTop + height,
                    .height = height,
                    .least = 0,
                    .most = 1,
                    .from = from,
                    .to = to > from ? to : from + std::chrono::hours(1)};
  std::string out =
      "<section class=\"plot\" id=\"large-jobs\"><h2 id=\"large-jobs-title\">Large jobs</h2><p>The largest "
      "jobs by accelerators, in order of size: from "
      "arrival to end. The figure after each name is its accelerators.</p><ul class=\"legend\">";
  for (const auto& [kind, what] : {std::pair{"waits", "waits, or is stopped"}, std::pair{"runs", "runs"},
                                   std::pair{"capped", "runs under a power cap"}}) {
    out += fmt::format(
        "<li><svg width=\"28\" height=\"12\" aria-hidden=\"true\"><rect class=\"{}\" x=\"1\" y=\"1\" "
        "width=\"26\" height=\"10\"/></svg>{}</li>",
        kind, what);
  }
  out += fmt::format(
      "</ul><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Plot: large jobs\"><svg "
      "class=\"chart\" viewBox=\"0 0 {} {}\" role=\"img\" aria-labelledby=\"large-jobs-title\">",
      kWidth, coordinate(kTop + height + kBottom));
  add_time_axis(out, frame);
  for (std::size_t i = 0; i < shown; ++i) add_job(out, jobs[i], frame, kTop + kRow * static_cast<double>(i));
  return out + "</svg></div>" + gantt_table(jobs, shown) + "</section>\n";
}

std::string fairness(const std::vector<AccountShare>& accounts) {
  constexpr double kRow = 34, kBar = 12;
  auto sorted = accounts;
  std::ranges::sort(sorted, [](const auto& a, const auto& b) {
    return std::pair(-std::max(a.used, a.entitled), a.account) <
           std::pair(-std::max(b.used, b.entitled), b.account);
  });
  const auto shown = std::min(sorted.size(), kAccountsMax);
  double most = 0;
  std::size_t letters = 0;
  for (const auto& each : sorted) {
    most = std::max({most, each.used, each.entitled});
    letters = std::max(letters, std::min(each.account.size(), kLabelMax));
  }
  const double left = label_width(letters);
  const auto ticks = round_ticks(0, most * 100, 5);
  const double height = kRow * static_cast<double>(shown), bottom = kTop + height, width = kWidth - left - 60;
  const auto x = [&](double percent) { return left + width * percent / ticks.most; };
  std::string out =
      "<section class=\"plot\" id=\"fairness\"><h2 id=\"fairness-title\">Fairness</h2><p>What each account "
      "was entitled to by its weight, and what it "
      "got of all that was given.</p><ul class=\"legend\"><li><svg width=\"28\" height=\"12\" "
      "aria-hidden=\"true\"><rect class=\"entitled\" x=\"1\" y=\"1\" width=\"26\" height=\"10\"/></svg>"
      "entitled</li><li><svg width=\"28\" height=\"12\" aria-hidden=\"true\"><rect class=\"runs\" x=\"1\" "
      "y=\"1\" width=\"26\" height=\"10\"/></svg>used</li></ul>";
  out += fmt::format(
      "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Plot: fairness\"><svg "
      "class=\"chart\" viewBox=\"0 0 {} {}\" role=\"img\" aria-labelledby=\"fairness-title\">",
      kWidth, coordinate(bottom + kBottom));
  for (const double tick : ticks.at) {
    out += fmt::format(
        "<line class=\"grid\" x1=\"{0}\" y1=\"{1}\" x2=\"{0}\" y2=\"{2}\"/><text class=\"tick\" x=\"{0}\" "
        "y=\"{3}\" text-anchor=\"middle\">{4}</text>",
        coordinate(x(tick)), kTop, coordinate(bottom), coordinate(bottom + 16), figure(tick));
  }
  out += fmt::format(
      "<text class=\"unit\" x=\"{}\" y=\"{}\" text-anchor=\"end\">% of all accelerator time given</text>",
      kWidth - kRight, coordinate(bottom + 34));
  for (std::size_t i = 0; i < shown; ++i) {
    const auto& each = sorted[i];
    const double top = kTop + kRow * static_cast<double>(i);
    out += fmt::format("<text class=\"tick\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>", left - 8,
                       coordinate(top + 21), shortened(each.account));
    const auto bar = [&](std::string_view kind, double part, double at) {
      out += fmt::format(
          "<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/><text class=\"tick\" x=\"{}\" "
          "y=\"{}\">{}</text>",
          kind, left, coordinate(at), coordinate(std::max(1.0, x(part * 100) - left)), kBar,
          coordinate(x(part * 100) + 6), coordinate(at + 10), figure(part * 100, "%"));
    };
    bar("entitled", each.entitled, top + 3);
    bar("runs", each.used, top + 3 + kBar + 2);
  }
  return out + "</svg></div>" + accounts_table(sorted) + "</section>\n";
}

}  // namespace millrace::twin::page
