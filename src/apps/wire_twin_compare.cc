#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <memory>

#include "apps/twin_commands.h"
#include "apps/twin_show.h"
#include "twin/compare.h"

namespace millrace::apps {
namespace {

struct Line {
  std::string a, b;
  bool json = false, all = false;
};

std::string shown(const std::optional<double>& value) {
  if (!value) return "-";
  const bool whole = *value == std::floor(*value) && std::abs(*value) < 1e15;
  return whole ? fmt::format("{:.0f}", *value) : fmt::format("{:.4g}", *value);
}

std::string signed_percent(const std::optional<double>& value) {
  return value ? fmt::format("{:+.1f} %", *value) : "-";
}

void print(const twin::Comparison& comparison, bool all) {
  std::vector<std::vector<std::string>> rows;
  std::size_t equal = 0;
  for (const auto& each : comparison.figures) {
    if (each.verdict == twin::Verdict::kEqual && !all) {
      ++equal;
      continue;
    }
    const bool told = each.verdict == twin::Verdict::kBetter || each.verdict == twin::Verdict::kWorse;
    rows.push_back({each.title, each.unit, shown(each.a), shown(each.b), shown(each.difference),
                    signed_percent(each.percent), told ? name_of(each.verdict) : ""});
  }
  cli::print_table({"figure", "unit", "A", "B", "B - A", "percent", "B is"}, rows);
  if (equal > 0)
    fmt::print("{} {} equal (--all shows it)\n", equal, equal == 1 ? "figure is" : "figures are");
}

int run(const Line& line) {
  return show(twin::compare_files(line.a, line.b), line.json,
              [&](const twin::Comparison& comparison) { print(comparison, line.all); });
}

}  // namespace

void add_twin_compare(CLI::App& twin, cli::Chosen& chosen) {
  auto line = std::make_shared<Line>();
  auto* command = twin.add_subcommand("compare", "the figures of two runs side by side");
  command->add_option("A", line->a, "what a command of `millrace twin` printed with --json")->required();
  command->add_option("B", line->b, "the same of the run to compare with it")->required();
  command->add_flag("--all", line->all, "show figures that are equal, too");
  command->add_flag("--json", line->json, "print one JSON object");
  command->callback([line, &chosen] { chosen = [line] { return run(*line); }; });
}

}  // namespace millrace::apps
