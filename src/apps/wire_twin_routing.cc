#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "apps/twin_commands.h"
#include "apps/twin_show.h"
#include "twin/routing.h"

namespace millrace::apps {
namespace {

struct Line {
  twin::RoutingOptions options;
  std::string policy = twin::name_of(twin::RoutingPolicy::kCost);
  bool json = false;
};

void print(const twin::RoutingResult& result) {
  cli::print_table(
      {"policy", "requests", "hit ratio", "ceiling", "imbalance", "wait mean s", "p50 s", "p99 s"},
      {{twin::name_of(result.options.policy), fmt::format("{}", result.requests),
        fmt::format("{:.3f}", result.hit_ratio), fmt::format("{:.3f}", result.ceiling_hit_ratio),
        fmt::format("{:.3f}", result.imbalance), fmt::format("{:.1f}", result.wait_mean_s),
        fmt::format("{:.1f}", result.wait_p50_s), fmt::format("{:.1f}", result.wait_p99_s)}});
}

int run(Line& line) {
  auto policy = twin::parse_routing_policy(line.policy);
  if (!policy) return cli::report(policy.error());
  line.options.policy = *policy;
  return show(with_progress([&](const Clock&, const twin::Progress& progress) {
                return twin::run_routing(line.options, progress);
              }),
              line.json, print);
}

}  // namespace

void add_twin_routing(CLI::App& twin, cli::Chosen& chosen) {
  auto line = std::make_shared<Line>();
  auto* command =
      twin.add_subcommand("routing", "which replica gets a prompt: cache hits and balance on a trace");
  auto& options = line->options;
  command
      ->add_option("--trace", options.trace,
                   "JSON lines with timestamp (ms) and hash_ids (blocks of 512 tokens)")
      ->required();
  command->add_option("--replicas", options.replicas, "replicas of the endpoint")->capture_default_str();
  command->add_option("--cache-tokens", options.cache_tokens, "tokens that each replica's prefix cache holds")
      ->capture_default_str();
  command
      ->add_option("--drain-blocks-per-s", options.drain_blocks_per_s,
                   "prompt blocks a replica computes in a second")
      ->capture_default_str();
  command->add_option("--policy", line->policy, "round-robin, longest-prefix or cost")->capture_default_str();
  command
      ->add_option("--missing-weight", options.missing_weight,
                   "what a block that is not cached counts, against 1 for a queued one (policy cost)")
      ->capture_default_str();
  command->add_flag("--json", line->json, "print one JSON object");
  command->callback([line, &chosen] { chosen = [line] { return run(*line); }; });
}

}  // namespace millrace::apps
