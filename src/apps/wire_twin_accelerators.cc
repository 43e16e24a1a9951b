#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "apps/twin_commands.h"
#include "apps/twin_show.h"
#include "twin/accelerators.h"

namespace millrace::apps {
namespace {

struct Line {
  twin::AcceleratorsOptions options;
  bool json = false;
};

std::string figure(std::optional<double> value) { return value ? fmt::format("{:.6g}", *value) : "-"; }

std::string gigabytes(std::optional<std::int64_t> bytes) {
  return bytes ? fmt::format("{:.0f}", static_cast<double>(*bytes) / 1e9) : "-";
}

void print(const std::vector<twin::AcceleratorRow>& rows, bool ranked) {
  std::vector<std::string> header{"kind",  "memory GB", "GB/s", "bf16 TFLOPS", "interconnect GB/s",
                                  "max W", "idle W"};
  if (ranked) header.insert(header.end(), {"time s", "bound", "opportunity"});
  header.push_back("source");
  std::vector<std::vector<std::string>> cells;
  for (const auto& [entry, rank] : rows) {
    std::vector<std::string> line{std::string(entry.kind),
                                  gigabytes(entry.memory_bytes),
                                  figure(entry.memory_bandwidth_gb_per_s),
                                  figure(entry.compute_tflops_bf16),
                                  figure(entry.interconnect_gb_per_s),
                                  figure(entry.power_max_w),
                                  figure(entry.power_idle_w)};
    if (rank) {
      const auto seconds = rank->estimate.seconds();
      line.push_back(seconds ? fmt::format("{:.4g}", *seconds) : "-");
      line.emplace_back(scheduler::name_of(rank->estimate.bound));
      line.push_back(fmt::format("{:.2f}", rank->opportunity));
    }
    line.push_back(entry.idle_source.empty() ? std::string(entry.source)
                                             : fmt::format("{}; idle: {}", entry.source, entry.idle_source));
    cells.push_back(std::move(line));
  }
  cli::print_table(header, cells);
}

int run(const Line& line) {
  return show(twin::list_accelerators(line.options), line.json,
              [&](const auto& rows) { print(rows, !line.options.work.empty()); });
}

}  // namespace

void add_twin_accelerators(CLI::App& twin, cli::Chosen& chosen) {
  auto line = std::make_shared<Line>();
  auto* command =
      twin.add_subcommand("accelerators", "kinds of accelerators, what they can do, and who says so");
  command->add_option(
      "--work", line->options.work,
      "prefill, decode or training: the kinds that suit it best first, by comparative advantage");
  command->add_flag("--json", line->json, "print one JSON object");
  command->callback([line, &chosen] { chosen = [line] { return run(*line); }; });
}

}  // namespace millrace::apps
