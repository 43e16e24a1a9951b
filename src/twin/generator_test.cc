#include "twin/generator.h"

#include <gtest/gtest.h>

#include <stdlib.h>
#include <algorithm>

#include <array>
#include <cmath>
#include <map>

#include "host/file.h"
#include "host/sha256.h"
#include "twin/formats/millrace.h"
#include "twin/generate/sampler.h"
#include "twin/site_config.h"

namespace millrace::twin {
namespace {

using std::chrono::days;
using std::chrono::hours;

SiteConfig example(const std::string& name) {
  auto site = load_site(std::string(MILLRACE_SOURCE) + "/examples/" + name + ".toml");
  EXPECT_TRUE(site) << site.error().message;
  return std::move(*site);
}

std::vector<TraceJob> draw(const SiteConfig& site, std::uint64_t seed, TraceTime end) {
  const auto source = generate_jobs(site, seed, end);
  EXPECT_TRUE(source) << source.error().message;
  std::vector<TraceJob> jobs;
  while (const auto job = (*source)->next()) jobs.push_back(*job);
  EXPECT_EQ((*source)->facts().jobs, static_cast<std::int64_t>(jobs.size()));
  return jobs;
}

TEST(Sampler, ExpAndLnAreExactToFifteenDigits) {
  for (double x = -40; x < 40; x += 0.37) {
    EXPECT_NEAR(Sampler::exp(x) / std::exp(x), 1, 2e-15) << x;
    EXPECT_NEAR(Sampler::ln(std::exp(x)), x, 2e-15 * std::max(1.0, std::abs(x))) << x;
  }
}

TEST(Sampler, DrawsHaveTheirMoments) {
  Sampler sampler(1);
  constexpr int kDraws = 200'000;
  double sum = 0, squares = 0, exponential = 0;
  std::array<int, 3> chosen{};
  const std::array<std::int64_t, 3> weights = {1, 0, 3};
  const WeightedChoice choice(weights);
  for (int i = 0; i < kDraws; ++i) {
    const double z = sampler.normal();
    sum += z;
    squares += z * z;
    exponential += sampler.exponential();
    ++chosen[choice.draw(sampler)];
  }
  EXPECT_NEAR(sum / kDraws, 0, 0.01);
  EXPECT_NEAR(squares / kDraws, 1, 0.01);
  EXPECT_NEAR(exponential / kDraws, 1, 0.01);
  EXPECT_NEAR(static_cast<double>(chosen[2]) / kDraws, 0.75, 0.005);
  EXPECT_EQ(chosen[1], 0);
}

TEST(Sampler, MeanOfACutLogNormalAgreesWithItsFormula) {
  EXPECT_NEAR(mean_of_cut_log_normal(874, 1, 0, 1e300), 874 * std::exp(0.5), 1e-3);
  EXPECT_NEAR(mean_of_cut_log_normal(874, 2, 1000, 1000), 1000, 1e-9);
}

TEST(Generator, TheSameSeedGivesTheSameBytesOnEveryMachine) {
  const auto site = example("32-nodes");
  std::string folder = "/tmp/millrace-generator-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const auto written = write_workload(site, 7, days(30), folder + "/a.csv");
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_EQ(*written, 10322);
  const auto digest = host::sha256_file(folder + "/a.csv");
  ASSERT_TRUE(digest);
  // Of the first run of this code; it changes only with the distributions, the format or the example.
  EXPECT_EQ(digest->sha256, "f70bc639d9c7cc31c62f68b82aacc6446a58a7fdf2d73a91a265174cd1d91d3c");
  EXPECT_TRUE(host::remove_tree(folder));
}

TEST(Generator, WhatItWritesIsReadBackAsItWasDrawn) {
  for (const auto& name : {"32-nodes", "mixed", "h20"}) {
    const auto site = example(name);
    std::string folder = "/tmp/millrace-generator-XXXXXX";
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    const auto written = write_workload(site, 3, days(10), folder + "/a.csv");
    ASSERT_TRUE(written) << written.error().message;
    const auto trace = read_trace(folder + "/a.csv", "millrace", site);
    ASSERT_TRUE(trace) << trace.error().message;
    EXPECT_EQ(trace->jobs, draw(site, 3, days(10))) << name;
    EXPECT_TRUE(host::remove_tree(folder));
  }
}

// 4 nodes of eight H100 first, then 100 nodes of four A30.
TEST(Generator, DrawsNoGangThatItsKindCouldNotHold) {
  const auto site = parse_site(
      "[[site]]\nname = 's'\nzone = 'FR'\n[[node_type]]\nname = 't'\nkind = 'nvidia-h100-sxm'\naccelerators "
      "= 8\n"
      "cpu_cores = 64\nmemory_gib = 512\nidle_w = 1500\ncpu_max_w = 700\n[[node_type]]\nname = 'u'\nkind = "
      "'nvidia-a30'\naccelerators = 4\ncpu_cores = 64\nmemory_gib = 512\nidle_w = 500\ncpu_max_w = "
      "700\n[[nodes]]\n"
      "type = 't'\ncount = 4\n[[nodes]]\ntype = 'u'\ncount = 100\nname = 'u{01}'\n[workload]\nload = 0.5\n"
      "[[workload.class]]\nname = 'c'\nsizes = [{ accelerators = 1 }, { accelerators = 16 }, { accelerators "
      "= 64 }]\n",
      "s.toml", ".");
  ASSERT_TRUE(site) << site.error().message;
  const auto jobs = draw(*site, 1, days(3));
  EXPECT_GT(jobs.size(), 50u);
  EXPECT_TRUE(std::ranges::any_of(jobs, [](const TraceJob& job) { return job.tasks == 2; }));
  EXPECT_TRUE(std::ranges::none_of(jobs, [](const TraceJob& job) { return job.tasks > 2; }))
      << "half of the four nodes of eight";
}

TEST(Generator, OffersTheLoadThatWasAskedFor) {
  auto site = example("32-nodes");
  site.workload.load = 0.6;
  double asked = 0;
  constexpr int kDays = 2000;  // durations have a long tail
  for (const auto& job : draw(site, 1, days(kDays))) {
    asked += static_cast<double>(job.work.count()) * job.tasks * job.demand.accelerators *
             job.demand.accelerator_milli / 1000;
  }
  EXPECT_NEAR(asked / (static_cast<double>(site.accelerators()) * 86'400e6 * kDays), 0.6, 0.03);
}

TEST(Generator, ArrivalsFollowHourAndWeekday) {
  auto site = example("32-nodes");
  site.workload.jobs_per_day = 1000;
  std::array<int, 24> by_hour{};
  std::array<int, 7> by_day{};
  const auto jobs = draw(site, 1, days(280));
  for (const auto& job : jobs) {
    ++by_hour[static_cast<std::size_t>(job.arrival / hours(1) % 24)];
    ++by_day[static_cast<std::size_t>(job.arrival / hours(24) % 7)];  // the run begins on a Monday
  }
  EXPECT_NEAR(static_cast<double>(jobs.size()), 280'000, 2000);
  EXPECT_NEAR(static_cast<double>(by_hour[9]) / by_hour[4], 162.0 / 44, 0.2);
  EXPECT_NEAR(static_cast<double>(by_day[6]) / by_day[0], 87.0 / 105, 0.03);
}

TEST(Generator, ClassesSizesAndAccountsHaveTheirShares) {
  const auto site = example("32-nodes");
  std::map<std::string, int> accounts;
  std::map<std::int32_t, int> sizes;
  int training = 0, deferrable = 0;
  const auto jobs = draw(site, 5, days(2000));
  for (const auto& job : jobs) {
    ++accounts[site.accounts[job.account].name];
    if (job.profile != WorkProfile::kTraining) continue;
    ++training;
    deferrable += job.deferrable;
    ++sizes[job.tasks * job.demand.accelerators];
  }
  const auto all = static_cast<double>(jobs.size());
  EXPECT_NEAR(accounts["physics/lattice"] / all, 0.375, 0.01);
  EXPECT_NEAR(training / all, 0.56, 0.01);
  EXPECT_NEAR(static_cast<double>(deferrable) / training, 0.2, 0.01);
  EXPECT_EQ(sizes.rbegin()->first, 128) << "half of 256 accelerators";
  EXPECT_NEAR(static_cast<double>(sizes[1]) / sizes[2], 35.0 / 15, 0.1);
}

TEST(Generator, NeedsOfAClassGoWithItsJobsAndBoundItsSizes) {
  auto site = example("three-sites");
  auto& work = site.workload.classes.front();
  site.workload.classes.resize(1);
  work.needs = {.zones = {},
                .jurisdictions = {"SE"},
                .accelerator_memory_mib = 100 * 1024,
                .attested = false,
                .siblings = {}};
  const auto source = generate_jobs(site, 1, days(1)).value();
  const auto job = source->next().value();
  EXPECT_EQ(source->needs().at(job.needs), work.needs);
  work.needs.attested = true;
  const auto none = generate_jobs(site, 1, days(1));
  ASSERT_FALSE(none) << "no node is attested there";
  EXPECT_NE(none.error().message.find("none of its sizes fits"), std::string::npos) << none.error().message;
}

TEST(Generator, EndsAfterSoManyJobs) {
  auto site = example("one-server");
  site.workload.jobs = 50;
  EXPECT_EQ(draw(site, 1, kNever).size(), 50u);
  site.workload.jobs = 0;
  EXPECT_FALSE(generate_jobs(site, 1, kNever));
}

TEST(Generator, RefusesAClassThatTheSiteCannotRun) {
  auto site = example("one-server");
  site.workload.classes.resize(1);
  site.workload.classes[0].sizes = {{.accelerators = 5, .share = 1}};
  const auto source = generate_jobs(site, 1, days(1));
  ASSERT_FALSE(source);
  EXPECT_EQ(
      source.error().message,
      "workload class 'training': none of its sizes fits: at most 4 accelerators go to one job (half of the "
      "largest site, or one node, and no more than a domain, or a node of each rack or rail, where it asks "
      "for that)");
}

TEST(Generator, WorkThatIsSpreadIsNoLargerThanANodeOfEachRail) {
  auto site = example("32-nodes");
  site.workload.jobs = 200;
  site.workload.classes.resize(1);
  site.workload.classes[0].spread = scheduler::Spread::kRail;
  std::int32_t most = 0;
  for (const TraceJob& job : draw(site, 1, kNever)) {
    EXPECT_EQ(job.spread, scheduler::Spread::kRail);
    most = std::max(most, job.demand.accelerators * job.tasks);
  }
  EXPECT_EQ(most, 16) << "two rails, nodes of eight";
}

TEST(Generator, NamesWithSeparatorsAndQuotesAreReadBackAsWritten) {
  const auto site = parse_site(
      "[[site]]\nname = 's'\nzone = 'F,R'\ncarbon_g_per_kwh = 50\njurisdiction = '\"EU\"'\n"
      "[[kind]]\nname = 'h, \"fast\"'\nlike = 'nvidia-h100-sxm'\n"
      "[[node_type]]\nname = 't'\nkind = 'h, \"fast\"'\naccelerators = 8\ncpu_cores = 64\nmemory_gib = 512\n"
      "idle_w = 1500\ncpu_max_w = 700\n[[nodes]]\ncount = 4\n"
      "[[tenant]]\nname = 'Physics, Basel'\n[[tenant]]\nname = '\"north\" lab'\n[[tenant]]\nname = '\"'\n"
      "[[priority_class]]\nname = 'slow, \"kind\"'\npriority = 1\n"
      "[[workload.class]]\nname = 'w'\nkinds = ['h, \"fast\"']\nzones = ['F,R']\njurisdictions = ['\"EU\"']\n"
      "sizes = [{accelerators = 1}]\n",
      "s.toml", ".");
  ASSERT_TRUE(site) << site.error().message;
  const auto source = generate_jobs(*site, 1, days(2)).value();
  std::string text = millrace_header(source->needs());
  std::vector<TraceJob> made;
  while (const auto job = source->next()) {
    made.push_back(*job);
    append_millrace_row(text, *job, *site, source->needs());
  }
  ASSERT_GT(made.size(), 20u);
  const auto read = parse_trace(text, "w.csv", "millrace", *site);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->jobs, made);
  EXPECT_EQ(read->needs.at(read->jobs[0].needs), source->needs()[made[0].needs]);
}

TEST(GenerateSite, AKindThatTheCatalogueLacksIsAnsweredWithThoseThatHoldItsText) {
  const auto fault = generate_site({.kind = "h100"}).error().message;
  EXPECT_TRUE(fault.starts_with("--kind: accelerator kind \"h100\" is not in the catalogue; nearest: "))
      << fault;
  EXPECT_NE(fault.find("nvidia-h100-sxm"), std::string::npos) << fault;
  EXPECT_NE(fault.find("millrace twin accelerators"), std::string::npos) << fault;
}

TEST(GenerateSite, MakesASiteThatLoadsWithinItsBudget) {
  for (const std::uint64_t seed : {1, 2}) {
    const auto text = generate_site({.nodes = 100, .kind = "nvidia-b200-sxm", .tenants = 20, .seed = seed});
    ASSERT_TRUE(text) << text.error().message;
    const auto site = parse_site(*text, "s.toml", ".");
    ASSERT_TRUE(site) << site.error().message;
    EXPECT_EQ(site->accelerators(), 800);
    EXPECT_EQ(site->leaves.size(), 60u);
    EXPECT_NEAR(static_cast<double>(*budget_at(site->sites[0].power, site->start)) /
                    static_cast<double>(site->max_mw(0)),
                0.9, 0.01);
  }
  EXPECT_NE(*generate_site({.seed = 1}), *generate_site({.seed = 2}));
  EXPECT_EQ(generate_site({.kind = "nvidia-h20"}).error().message,
            "--kind: the power of 'nvidia-h20' is not known");
  EXPECT_EQ(generate_site({.budget_kw = 1}).error().message,
            "--budget-kw: 1 is below what the nodes draw when nothing runs");
}

}  // namespace
}  // namespace millrace::twin
