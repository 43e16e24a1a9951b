#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "apps/twin_commands.h"
#include "apps/twin_show.h"
#include "host/output_file.h"
#include "twin/generator.h"
#include "twin/site_config.h"

namespace millrace::apps {
namespace {

struct SiteLine {
  twin::GenerateSiteOptions options;
  std::string out;
  bool json = false;
};

struct WorkloadLine {
  std::string site, out;
  std::uint64_t seed = 1;
  double days = 0, load = 0;
  std::int64_t jobs = 0;
  bool json = false;
};

int run_site(const SiteLine& line) {
  const auto text = twin::generate_site(line.options);
  if (!text) return cli::report(text.error());
  if (const auto written = host::write_output(line.out, *text); !written) return cli::report(written.error());
  if (line.json) {
    cli::print_json({{"nodes", line.options.nodes},
                     {"accelerators", line.options.nodes * line.options.accelerators},
                     {"seed", line.options.seed},
                     {"out", line.out}});
  } else {
    fmt::print("{} nodes in {}: play them with `millrace twin run {}`\n", line.options.nodes, line.out,
               line.out);
  }
  return cli::kOk;
}

Result<twin::SiteConfig> site_of(const WorkloadLine& line) {
  if (!line.site.empty()) return twin::load_site(line.site);
  const auto text = TRY(twin::generate_site({}));
  return twin::parse_site(text, "generated site", ".");
}

Result<std::int64_t> write_workload(const WorkloadLine& line) {
  auto site = TRY(site_of(line));
  if (line.load > 0) {
    site.workload.load = line.load;
    site.workload.jobs_per_day = 0;
  }
  if (line.jobs > 0) site.workload.jobs = line.jobs;
  const bool until_end = line.days > 0 || site.workload.jobs == 0;
  const double days = line.days > 0 ? line.days : site.days;
  const auto end = until_end ? twin::TraceTime(static_cast<std::int64_t>(days * 86'400e6)) : twin::kNever;
  return with_progress([&](const Clock&, const twin::Progress& progress) {
    return twin::write_workload(site, line.seed, end, line.out, progress);
  });
}

int run_workload(const WorkloadLine& line) {
  const auto jobs = write_workload(line);
  if (!jobs) return cli::report(jobs.error());
  if (line.json) {
    cli::print_json({{"jobs", *jobs}, {"seed", line.seed}, {"out", line.out}});
  } else {
    fmt::print("{} jobs in {}: run them with `millrace twin run SITE.toml --workload {} --format millrace`\n",
               *jobs, line.out, line.out);
  }
  return cli::kOk;
}

void add_site(CLI::App& generate, cli::Chosen& chosen) {
  auto line = std::make_shared<SiteLine>();
  auto& options = line->options;
  auto* command = generate.add_subcommand("site", "a site.toml of equal nodes, to change by hand");
  command->add_option("--out", line->out, "file to write")->required();
  add_seed(*command, options.seed, "draws names and weights of the accounts");
  command->add_option("--nodes", options.nodes, "how many nodes")->capture_default_str();
  command->add_option("--accelerators", options.accelerators, "of each node")->capture_default_str();
  command->add_option("--kind", options.kind, "of the accelerators: `millrace twin accelerators` lists them")
      ->capture_default_str();
  command
      ->add_option("--budget-kw", options.budget_kw,
                   "power budget at the meter; 0: nine tenths of what all draw at full load")
      ->capture_default_str();
  command->add_option("--zone", options.zone, "electricity zone")->capture_default_str();
  command->add_option("--tenants", options.tenants, "how many tenants")->capture_default_str();
  command->add_option("--projects", options.projects, "of each tenant")->capture_default_str();
  command->add_flag("--json", line->json, "print one JSON object");
  command->callback([line, &chosen] { chosen = [line] { return run_site(*line); }; });
}

void add_workload(CLI::App& generate, cli::Chosen& chosen) {
  auto line = std::make_shared<WorkloadLine>();
  auto* command =
      generate.add_subcommand("workload", "jobs drawn from the site's [workload], as CSV of format millrace");
  command->add_option("--out", line->out, "file to write")->required();
  add_seed(*command, line->seed, "the same seed gives the same bytes on every machine");
  command->add_option(
      "--site", line->site,
      "site.toml whose accounts, classes and kinds the jobs name; without it, 32 nodes of eight");
  auto* days = command->add_option("--days", line->days,
                                   "arrivals in so many days; without it, those of the site file");
  check_range(*days, 1e-6, 36'525.0);
  command->add_option("--jobs", line->jobs, "ends after so many jobs")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000'000}));
  auto* load =
      command->add_option("--load", line->load, "accelerator time asked for / accelerator time there is");
  check_range(*load, 0.001, 100.0);
  command->add_flag("--json", line->json, "print one JSON object");
  command->callback([line, &chosen] { chosen = [line] { return run_workload(*line); }; });
}

}  // namespace

void add_twin_generate(CLI::App& twin, cli::Chosen& chosen) {
  auto* generate =
      twin.add_subcommand("generate", "site files and workloads, drawn from stated distributions");
  generate->require_subcommand(1);
  add_site(*generate, chosen);
  add_workload(*generate, chosen);
}

}  // namespace millrace::apps
