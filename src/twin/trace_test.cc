#include "twin/trace.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "scheduler/catalogue.h"
#include "twin/formats/millrace.h"
#include "twin/kind_times.h"
#include "twin/site_config.h"

namespace millrace::twin {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

const std::string kTraces = std::string(MILLRACE_SOURCE) + "/tests/data/traces/";

/// 20 nodes of eight V100-like and 10 of four T4-like accelerators, two projects with weights 3 and 1, the default classes.
const SiteConfig& site() {
  static const SiteConfig config = *parse_site(R"(
[[kind]]
name = "nvidia-v100m16"
power_max_w = 250
[[kind]]
name = "nvidia-t4"
power_max_w = 70
[[site]]
name = "s"
zone = "FR"
[[node_type]]
name = "big"
kind = "nvidia-v100m16"
accelerators = 8
cpu_cores = 64
memory_gib = 512
idle_w = 800
cpu_max_w = 400
[[node_type]]
name = "small"
kind = "nvidia-t4"
accelerators = 4
cpu_cores = 32
memory_gib = 128
idle_w = 200
cpu_max_w = 200
[[nodes]]
type = "big"
count = 20
name = "b{01}"
per_domain = 10
[[nodes]]
type = "small"
count = 10
name = "t{01}"
[[tenant]]
name = "lab"
weight = 3
[[tenant]]
name = "guest"
)",
                                               "s.toml", ".");
  return config;
}

Trace parse(std::string_view text, std::string_view format, const TraceOptions& options = {}) {
  auto trace = parse_trace(text, "f", format, site(), options);
  EXPECT_TRUE(trace) << trace.error().message;
  return trace ? std::move(*trace) : Trace{};
}

std::string fault_of(std::string_view text, std::string_view format) {
  const auto trace = parse_trace(text, "f", format, site());
  return trace ? "" : trace.error().message;
}

Trace read(const std::string& file, std::string_view format) {
  auto trace = read_trace(kTraces + file, format, site());
  EXPECT_TRUE(trace) << trace.error().message;
  return trace ? std::move(*trace) : Trace{};
}

constexpr std::string_view kPodHeader =
    "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,"
    "scheduled_time\n";

TEST(TraceOpenb, ReadsDemandKindsClassAndTimes) {
  const auto trace = parse(std::string(kPodHeader) +
                               "a,12000,16384,1,460,V100M16|V100M32,LS,Running,100,400,150\n"
                               "b,4000,8192,0,0,,BE,Succeeded,50,60,50\n"
                               "c,8000,8192,2,1000,G9,Burstable,Running,60,90,70\n"
                               "d,1,1,1,1000,,BE,Pending,5,9,\n",
                           "openb");
  ASSERT_EQ(trace.jobs.size(), 3u);
  EXPECT_EQ(trace.facts.skipped, 1);
  const auto& cpu = trace.jobs[0];
  EXPECT_EQ(cpu.arrival, seconds(50));
  EXPECT_EQ(cpu.work, seconds(10));
  EXPECT_EQ(cpu.profile, WorkProfile::kCpu);
  EXPECT_EQ(site().priority_classes[cpu.priority_class].name, "low");
  const auto& pair = trace.jobs[1];
  EXPECT_EQ(pair.demand.accelerators, 2);
  EXPECT_EQ(pair.kinds, ~std::uint64_t{0}) << "G9 is not here: any";
  EXPECT_EQ(trace.facts.kinds_unknown, 1);
  EXPECT_EQ(site().priority_classes[pair.priority_class].name, "normal");
  const auto& part = trace.jobs[2];
  EXPECT_EQ(part.demand,
            (scheduler::Demand{
                .cpu_milli = 12'000, .memory_mib = 16'384, .accelerators = 1, .accelerator_milli = 460}));
  EXPECT_EQ(part.kinds, 1u);
  EXPECT_EQ(part.work, seconds(250));
  EXPECT_FALSE(part.preemptible);
}

TEST(TraceOpenb, ReadsThePublishedFileAndDealsAccountsByWeight) {
  const auto trace = read("openb_pods.csv", "openb");
  EXPECT_EQ(trace.facts.jobs + trace.facts.skipped, 115);
  EXPECT_GE(trace.facts.skipped, 6);
  EXPECT_TRUE(std::ranges::is_sorted(trace.jobs, {}, &TraceJob::arrival));
  const auto lab = std::ranges::count(trace.jobs, 0, &TraceJob::account);
  EXPECT_GT(lab, 65);
  EXPECT_LT(lab, 100);
}

TEST(TraceOpenb, FaultsNameFileLineAndColumn) {
  const auto row = [](std::string_view rest) {
    return fault_of(std::string(kPodHeader) + "a,1,1,1,500,,LS,Running,0,9,0\n" + std::string(rest), "openb");
  };
  EXPECT_EQ(row("b,1,1,1,500,,LS,Running,0,9\n"),
            "f:3: column 11 (scheduled_time): the row has 10 columns, the first has 11");
  EXPECT_EQ(row("b,x,1,1,500,,LS,Running,0,9,0\n"),
            "f:3: column 2 (cpu_milli): want an integer in 0 to 1000000000, found 'x'");
  EXPECT_EQ(row("b,1,1,1,1001,,LS,Running,0,9,0\n"),
            "f:3: column 5 (gpu_milli): want an integer in 0 to 1000, found '1001'");
  EXPECT_EQ(row("b,1,1,1,0,,LS,Running,0,9,0\n"),
            "f:3: column 5 (gpu_milli): is 0, though the pod asks for an accelerator");
  EXPECT_EQ(row("b,1,1,1,1,,LS,Running,0,9,10\n"),
            "f:3: column 10 (deletion_time): is before scheduled_time");
  EXPECT_EQ(fault_of("name,cpu_milli\n", "openb"),
            "f:1: has no column 'memory_mib'; its columns are name, cpu_milli");
  EXPECT_EQ(fault_of(kPodHeader, "openb"), "f: holds no work in format openb");
  EXPECT_EQ(fault_of("", "openb").substr(0, 14), "f:1: is empty:");
}

TEST(TraceGavel, WorkIsStepsBySpeedOfTypeBatchAndCount) {
  const auto trace = parse(
      "Transformer (batch size 64)\tcmd\t-step\t1\t8624\t6.5\t1\n"
      "Transformer (batch size 256)\tcmd\t-step\t1\t10000\t7\t1\n"
      "A3C\tcmd\t-n\t0\t7238\t8\t16\n",
      "gavel");
  ASSERT_EQ(trace.jobs.size(), 3u);
  EXPECT_EQ(trace.jobs[0].arrival, milliseconds(6500));
  EXPECT_EQ(trace.jobs[0].work, seconds(1000));
  EXPECT_EQ(trace.jobs[0].reference_kind, 0) << "the site has a V100";
  EXPECT_EQ(trace.jobs[1].work, milliseconds(3'446'952)) << "10,000 / (8.624 x 0.58 x 0.58)";
  EXPECT_EQ(trace.jobs[2].work, milliseconds(526'316)) << "1,000 s / 1.9";
  EXPECT_EQ(trace.jobs[2].tasks, 2) << "16 on nodes of eight";
  EXPECT_EQ(trace.jobs[2].demand.accelerators, 8);
}

TEST(TraceGavel, ReadsTheNineColumnsOfLaterTraces) {
  const auto trace = parse("A3C\tcmd\t-n\t0\t7238\t2\t5.0\t-1.0\t42.5\n", "gavel");
  ASSERT_EQ(trace.jobs.size(), 1u);
  EXPECT_EQ(trace.jobs[0].arrival, milliseconds(42'500));
  EXPECT_EQ(trace.jobs[0].demand.accelerators, 2);
  EXPECT_EQ(trace.jobs[0].priority_class, 0);
}

TEST(TraceGavel, ABatchSizeBeyondReasonIsCut) {
  const auto trace = parse("LM (batch size 2147483647)\tc\t-n\t0\t1\t0\t1\n", "gavel");
  ASSERT_EQ(trace.jobs.size(), 1u);
  EXPECT_GT(trace.jobs[0].work, seconds(1));
}

TEST(TraceGavel, ReadsThePublishedFile) {
  const auto trace = read("gavel.trace", "gavel");
  EXPECT_EQ(trace.facts.jobs, 101);
  for (const auto& job : trace.jobs) {
    EXPECT_GT(job.work, seconds(10));
    EXPECT_LT(job.work, hours(24 * 60));
  }
}

TEST(TraceGavel, FaultsNameLineAndColumn) {
  EXPECT_EQ(fault_of("A3C\tc\t-n\t0\t1\t0\n", "gavel"),
            "f:1: column 6: want 7 or 9 columns, separated by tabs");
  EXPECT_EQ(fault_of("A3C\tc\t-n\t0\t1\t0\t1\nGPT\tc\t-n\t0\t1\t0\t1\n", "gavel"),
            "f:2: column 1: is no job type of Gavel's job table, so that its speed is not known");
  EXPECT_EQ(fault_of("A3C\tc\t-n\t0\t-5\t0\t1\n", "gavel").substr(0, 31), "f:1: column 5: want an integer ");
}

TEST(TraceGaia, UnitsFollowFromTheWholeFile) {
  const auto in_hours = parse("arrival_time,length,cpus\n0.5,2.25,3\n8000,1,1\n", "gaia");
  EXPECT_EQ(in_hours.jobs[0].arrival, milliseconds(1'800'000));
  EXPECT_EQ(in_hours.jobs[0].work, seconds(8100));
  EXPECT_EQ(in_hours.jobs[0].demand.accelerators, 3);
  EXPECT_EQ(in_hours.jobs[0].deadline, in_hours.jobs[0].arrival + in_hours.jobs[0].work + hours(24))
      << "longer than 2 h";
  const auto in_seconds = parse("arrival_time,length,cpus\n0.0,6302.0,1\n68.0,1000.0,20\n", "gaia");
  EXPECT_EQ(in_seconds.jobs[1].arrival, seconds(68));
  EXPECT_EQ(in_seconds.jobs[1].deadline, seconds(68 + 1000) + hours(6));
  EXPECT_EQ(in_seconds.jobs[1].tasks, 3);
  EXPECT_TRUE(in_seconds.jobs[1].deferrable);
  const auto late = parse("arrival_time,length,cpus\n10000.5,3,1\n", "gaia");
  EXPECT_EQ(late.jobs[0].arrival, milliseconds(10'000'500)) << "beyond a year of hours";
  const auto long_one = parse("arrival_time,length,cpus\n0.5,23549.5,1\n", "gaia");
  EXPECT_EQ(long_one.jobs[0].work, milliseconds(23'549'500)) << "the same";
  EXPECT_EQ(fault_of("arrival_time,length,cpus\n0,1,0\n", "gaia"),
            "f:2: column 3 (cpus): want an integer in 1 to 1000000, found '0'");
  EXPECT_EQ(fault_of("arrival_time,length,cpus\n0,nan,1\n", "gaia").substr(0, 22), "f:2: column 2 (length)");
}

TEST(TraceGaia, ReadsThePublishedFile) {
  const auto trace = read("gaia_pai.csv", "gaia");
  EXPECT_EQ(trace.facts.jobs, 119);
  EXPECT_EQ(trace.jobs[0].work, seconds(6302));
}

TEST(TraceService, ReplicasFollowTokensAndLingerAndEachStretchIsOneJob) {
  // 60 s x 0.5 = 30 s of one replica: at 100 tokens/s each way, 3,000 tokens.
  const TraceOptions options{
      .service = {
          .linger = seconds(0), .prefill_tokens_per_s = 100, .decode_tokens_per_s = 100, .utilisation = 0.5}};
  const std::string_view text =
      "TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
      "2023-11-16 18:15:46.6805900,1000,2001\r\n"
      "2023-11-16 18:16:46.6805900,9000,0\r\n"
      "2023-11-16 18:18:46.7000000,10,0";
  const auto trace = parse(text, "azure-llm", options);
  EXPECT_EQ(trace.service,
            (std::vector<ServiceInterval>{{1, 1000, 2001, 2}, {1, 9000, 0, 3}, {0, 0, 0, 1}, {1, 10, 0, 1}}));
  ASSERT_EQ(trace.jobs.size(), 3u);
  EXPECT_EQ(trace.jobs[0].arrival, seconds(0));
  EXPECT_EQ(trace.jobs[0].work, seconds(120)) << "the second replica";
  EXPECT_EQ(trace.jobs[1].arrival, seconds(0));
  EXPECT_EQ(trace.jobs[1].work, seconds(240)) << "the first";
  EXPECT_EQ(trace.jobs[2].arrival, seconds(60));
  EXPECT_EQ(trace.jobs[2].work, seconds(60)) << "the third";
  for (const auto& job : trace.jobs) {
    EXPECT_EQ(job.kind, TraceJobKind::kService);
    EXPECT_EQ(job.demand.accelerators, 8);
    EXPECT_EQ(job.utilisation_milli, 500);
    EXPECT_EQ(job.account, trace.jobs[0].account);
  }
  EXPECT_EQ(trace.jobs[0].input_tokens, 500 + 3000)
      << "its half of the first minute, its third of the second";
  EXPECT_EQ(trace.jobs[0].output_tokens, 1000);
  EXPECT_EQ(trace.jobs[1].input_tokens, 500 + 3000 + 10);
  EXPECT_EQ(trace.jobs[1].output_tokens, 1001) << "and what does not divide";
  EXPECT_EQ(trace.jobs[2].input_tokens, 3000);
  auto lingering = options;
  lingering.service.linger = seconds(60);
  const auto kept = parse(text, "azure-llm", lingering);
  EXPECT_EQ(kept.jobs.back().work, seconds(120)) << "the third, an interval longer";
  EXPECT_EQ(kept.jobs[1].work, seconds(300)) << "the first too, though the trace ends";
}

TEST(TraceService, ReplicasAreKeptApartByRackWhereThereAreAsManyRacks) {
  const auto trace_on = [](std::int32_t nodes, std::int32_t per_rack, const char* kind = "nvidia-h100-sxm") {
    const auto site =
        parse_site(fmt::format("[[site]]\nname = 's'\nzone = 'FR'\n[[node_type]]\nname = 't'\nkind = "
                               "'{}'\naccelerators = 8\ncpu_cores = 64\nmemory_gib = "
                               "512\nidle_w = 1500\ncpu_max_w = 700\n[[nodes]]\ncount = {}\nper_rack "
                               "= {}\n",
                               kind, nodes, per_rack),
                   "s.toml", ".");
    const TraceOptions options{.service = {.prefill_tokens_per_s = 100, .utilisation = 0.5}};
    return parse_trace("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,9000,0\n", "f",
                       "azure-llm", site.value(), options)
        .value();
  };
  const auto apart = trace_on(12, 4);
  ASSERT_EQ(apart.jobs.size(), 3u);
  for (const TraceJob& job : apart.jobs) {
    EXPECT_EQ(job.spread, scheduler::Spread::kRack);
    EXPECT_EQ(apart.needs.at(job.needs).siblings, "endpoint");
  }
  for (const auto& together : {trace_on(8, 4), trace_on(12, 0)}) {
    EXPECT_EQ(together.jobs.at(0).spread, scheduler::Spread::kNone) << "two racks for three, and none";
    EXPECT_EQ(together.jobs.at(0).needs, 0);
  }
}

TEST(TraceService, ASlowerKindNeedsMoreReplicasByTheRoofline) {
  const auto replicas_on = [](const char* kind) {
    const auto site = parse_site(
        fmt::format("[[site]]\nname = 's'\nzone = 'FR'\n[[node_type]]\nname = 't'\nkind = '{}'\n"
                    "accelerators = 8\ncpu_cores = 64\nmemory_gib = 512\nidle_w = 1500\ncpu_max_w = "
                    "700\n[[nodes]]\ncount = 64\n",
                    kind),
        "s.toml", ".");
    const TraceOptions options{.service = {.prefill_tokens_per_s = 100, .utilisation = 0.5}};
    return parse_trace("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,9000,0\n", "f",
                       "azure-llm", site.value(), options)
        .value()
        .service.front()
        .replicas;
  };
  EXPECT_EQ(replicas_on("nvidia-h100-sxm"), 3);
  const auto t = [](const char* kind) {
    return *seconds_on(scheduler::find_kind(kind).value()->capability(), WorkProfile::kPrefill, false);
  };
  for (const char* kind : {"nvidia-a100-sxm", "nvidia-l4"})
    EXPECT_EQ(replicas_on(kind), std::ceil(3 * t(kind) / t("nvidia-h100-sxm"))) << kind;
}

TEST(TraceService, ReadsThePublishedFiles) {
  const auto azure = read("azure_llm_conv.csv", "azure-llm");
  EXPECT_EQ(azure.facts.requests, 399);
  const auto mooncake = read("mooncake_conversation.jsonl", "mooncake");
  EXPECT_EQ(mooncake.facts.requests, 120);
  EXPECT_EQ(mooncake.service[0].requests, 120) << "all in the first minute";
  EXPECT_GE(mooncake.jobs.size(), 2u);
}

TEST(TraceService, AByteOrderMarkIsPassedOver) {
  EXPECT_EQ(fault_of("\xEF\xBB\xBF{\"timestamp\": 0, \"input_length\": 1, \"output_length\": 1}\r\n[1]\n",
                     "mooncake")
                .substr(0, 5),
            "f:2: ");
}

TEST(TraceService, FaultsNameLineAndWhatIsWrong) {
  EXPECT_EQ(fault_of("TIMESTAMP,ContextTokens,GeneratedTokens\nyesterday,1,1\n", "azure-llm"),
            "f:2: column 1 (TIMESTAMP): want a time as 2023-11-16 18:15:46.6805900");
  EXPECT_EQ(
      fault_of("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,1,1\n2023-11-16 18:15:45,1,1\n",
               "azure-llm"),
      "f:3: column 1 (TIMESTAMP): is before the first request");
  EXPECT_EQ(fault_of("{\"timestamp\": 0, \"input_length\": 1, \"output_length\": 1}\n\n{\"timestamp\": 0}\n",
                     "mooncake")
                .substr(0, 16),
            "f:3: input_lengt");
  EXPECT_EQ(fault_of("{\"timestamp\": -1, \"input_length\": 1, \"output_length\": 1}\n", "mooncake"),
            "f:1: timestamp: -1 is not in 0 to 10000000000000");
  EXPECT_EQ(fault_of("[1]\n", "mooncake").substr(0, 5), "f:1: ");
  EXPECT_EQ(
      fault_of("{\"timestamp\": 9999999999999, \"input_length\": 1, \"output_length\": 1}\n", "mooncake"),
      "f:1: a request more than 1000000 intervals after the first");
}

// A site of H100 and H20, and work that was measured on this and that.
TEST(TraceMillrace, WorkIsOfTheKindItWasMeasuredOn) {
  const auto site = parse_site(
      "[[site]]\nname = 's'\nzone = 'FR'\n[[kind]]\nname = 'h20'\nlike = 'nvidia-h20'\npower_max_w = 400\n"
      "[[node_type]]\nname = 't'\nkind = 'nvidia-h100-sxm'\naccelerators = 8\ncpu_cores = 64\nmemory_gib = "
      "512\n"
      "idle_w = 1500\ncpu_max_w = 700\n[[node_type]]\nname = 'u'\nkind = 'h20'\naccelerators = 8\ncpu_cores "
      "= 64\n"
      "memory_gib = 512\nidle_w = 1500\ncpu_max_w = 700\n[[nodes]]\ntype = 't'\ncount = 2\n[[nodes]]\ntype = "
      "'u'\n"
      "count = 2\nname = 'u{01}'\n",
      "s.toml", ".");
  ASSERT_TRUE(site) << site.error().message;
  const auto measured_on = [&](const std::string& kind, const char* profile = "training") {
    return parse_trace("arrival_s,work_s,accelerators,reference_kind,profile\n0,1000,8," + kind + "," +
                           profile + "\n",
                       "f", "millrace", *site, {})
        .value();
  };
  const auto kind_of = [&](const Trace& trace) {
    return site->cluster.kinds.at(trace.jobs[0].reference_kind).kind;
  };
  for (const char* name : {"nvidia-h100-sxm", "NVIDIA-H100-SXM", "h100-sxm"}) {
    const Trace trace = measured_on(name);
    EXPECT_EQ(kind_of(trace), "nvidia-h100-sxm") << name;
    EXPECT_EQ(trace.jobs[0].work, seconds(1000));
    EXPECT_TRUE(trace.facts.notes.empty());
  }
  const Trace of_a100 = measured_on("a100-sxm");
  const auto t = [](const char* kind) {
    return *seconds_on(scheduler::find_kind(kind).value()->capability(), WorkProfile::kTraining, false);
  };
  const char* on = kind_of(of_a100) == "h20" ? "nvidia-h20" : "nvidia-h100-sxm";
  EXPECT_NEAR(std::chrono::duration<double>(of_a100.jobs[0].work).count(),
              1000 * t(on) / t("nvidia-a100-sxm"), 1e-3);
  EXPECT_EQ(of_a100.facts.references_converted, 1);
  EXPECT_EQ(of_a100.facts.notes.size(), 1u);
  const Trace of_foo = measured_on("foo");
  EXPECT_EQ(of_foo.jobs[0].reference_kind, TraceJob::kAnyKind);
  EXPECT_EQ(of_foo.facts.references_unknown, 1);
  EXPECT_EQ(of_foo.facts.notes.size(), 1u);
  EXPECT_TRUE(measured_on("foo", "unknown").facts.notes.empty()) << "it takes as long on every kind anyway";
}

TEST(TraceMillrace, NeedsOnlyArrivalAndWork) {
  const auto trace = parse("work_s,arrival_s\n2.5,10\n", "millrace");
  ASSERT_EQ(trace.jobs.size(), 1u);
  TraceJob expected;
  expected.arrival = seconds(10);
  expected.work = milliseconds(2500);
  expected.account = trace.jobs[0].account;
  expected.priority_class = 1;  // normal
  EXPECT_EQ(trace.jobs[0], expected);
}

TEST(TraceMillrace, AColumnThatThereIsNotIsRefused) {
  const std::string fault = fault_of("arrival_s,work_s,acelerators\n0,1,8\n", "millrace");
  EXPECT_TRUE(fault.starts_with("f:1: there is no column 'acelerators'; there are: arrival_s, work_s,"))
      << fault;
}

TEST(TraceMillrace, WorkNamesTheTokensOfItsRequests) {
  const TraceJob job =
      parse("arrival_s,work_s,kind,input_tokens,output_tokens\n0,60,service,5000000,\n", "millrace")
          .jobs.at(0);
  EXPECT_EQ(job.input_tokens, 5'000'000);
  EXPECT_EQ(job.output_tokens, 0);
}

TEST(TraceMillrace, NeedsOfPlaceAreReadBackAsWritten) {
  const auto trace = parse(
      "arrival_s,work_s,accelerators,zones,jurisdictions,accelerator_memory_mib,flags\n0,1,1,FR,FR,1024,a\n"
      "0,1,1,,,,\n0,1,1,FR,FR,1024,a\n0,1,1,,,,a\n",
      "millrace");
  ASSERT_EQ(trace.needs.size(), 3u) << "each once";
  const WorkNeeds strict{.zones = {"FR"},
                         .jurisdictions = {"FR"},
                         .accelerator_memory_mib = 1024,
                         .attested = true,
                         .siblings = {}};
  EXPECT_EQ(trace.needs[trace.jobs[0].needs], strict);
  EXPECT_EQ(trace.needs[trace.jobs[1].needs], WorkNeeds{});
  EXPECT_EQ(trace.jobs[2].needs, trace.jobs[0].needs);
  EXPECT_TRUE(trace.needs[trace.jobs[3].needs].attested);
  std::string rows = millrace_header(trace.needs);
  for (const TraceJob& job : trace.jobs) append_millrace_row(rows, job, site(), trace.needs);
  const auto again = parse(rows, "millrace");
  EXPECT_EQ(again.jobs, trace.jobs);
  EXPECT_EQ(again.needs, trace.needs);
}

TEST(TraceMillrace, TasksApartByRackOrRailReadBackAsWritten) {
  for (const auto& [flag, spread] :
       {std::pair("h", scheduler::Spread::kNode), std::pair("r", scheduler::Spread::kRack),
        std::pair("l", scheduler::Spread::kRail)}) {
    const TraceJob job =
        parse(std::string("arrival_s,work_s,flags\n0,1,") + flag + "\n", "millrace").jobs.at(0);
    EXPECT_EQ(job.spread, spread);
    std::string row = millrace_header({});
    append_millrace_row(row, job, site(), {});
    EXPECT_EQ(parse(row, "millrace").jobs.at(0), job);
  }
}

TEST(TraceMillrace, FaultsNameFileLineAndColumn) {
  const auto row = [](std::string_view header, std::string_view fields) {
    return fault_of("arrival_s,work_s," + std::string(header) + "\n0,1," + std::string(fields) + "\n",
                    "millrace");
  };
  EXPECT_EQ(row("account", "nobody"), "f:2: column 3 (account): the site has no such account of a project");
  EXPECT_EQ(row("priority_class", "x"),
            "f:2: column 3 (priority_class): the site has no such priority class");
  EXPECT_EQ(row("flags", "dz"), "f:2: column 3 (flags): want letters of a, d, i, n, o, h, r, l");
  EXPECT_EQ(row("siblings", "chat"), "f:2: column 3 (siblings): goes with one of the flags h, r, l");
  EXPECT_EQ(row("zones", "FR|XX"), "f:2: column 3 (zones): no site is in the zone 'XX'");
  EXPECT_EQ(row("jurisdictions", "US"), "f:2: column 3 (jurisdictions): no site is in the jurisdiction 'US'");
  EXPECT_EQ(row("deadline_s,flags", ",d"),
            "f:2: column 3 (deadline_s): is missing: deferrable work needs it");
  EXPECT_EQ(row("flags", "d"),
            "f:2: column 3 (flags): 'd' needs a column deadline_s: deferrable work has one");
  EXPECT_EQ(fault_of("arrival_s,work_s,deadline_s\n10,1,9\n", "millrace"),
            "f:2: column 3 (deadline_s): is before arrival_s");
  EXPECT_EQ(row("profile", "x"),
            "f:2: column 3 (profile): want one of unknown, training, prefill, decode, cpu");
  EXPECT_EQ(row("accelerators,accelerator_milli", "2,500"),
            "f:2: column 4 (accelerator_milli): a fraction goes with one accelerator only");
  EXPECT_EQ(fault_of("arrival_s,work_s\n0,1\n-1,1\n", "millrace").substr(0, 25), "f:3: column 1 (arrival_s)");
}

TEST(Trace, LimitsAndFormatsAreTold) {
  const auto many =
      parse_trace("arrival_s,work_s\n0,1\n0,1\n0,1\n", "f", "millrace", site(), {.max_jobs = 2});
  ASSERT_FALSE(many);
  EXPECT_EQ(many.error().code, ErrorCode::kExhausted);
  EXPECT_EQ(many.error().message, "f:4: more than 2 jobs: cut the trace into parts");
  EXPECT_EQ(fault_of("", "csv"),
            "there is no trace format 'csv': want openb, gavel, gaia, azure-llm, mooncake, millrace");
  EXPECT_EQ(read_trace("/nonexistent", "openb", site()).error().code, ErrorCode::kNotFound);
}

TEST(Trace, IsPlayedOnceInOrder) {
  auto source = play(parse("arrival_s,work_s\n5,1\n3,1\n5,2\n", "millrace"));
  EXPECT_EQ(source->jobs_expected(), 3);
  EXPECT_EQ(source->next()->arrival, seconds(3));
  EXPECT_EQ(source->next()->work, seconds(1));
  EXPECT_EQ(source->next()->work, seconds(2)) << "equal arrivals as in the file";
  EXPECT_FALSE(source->next());
  EXPECT_FALSE(source->next());
}

}  // namespace
}  // namespace millrace::twin
