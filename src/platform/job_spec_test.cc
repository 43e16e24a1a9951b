#include "platform/job_spec.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <set>

namespace millrace::platform {
namespace {

using std::chrono::seconds;

std::string fault_of(std::string_view text) {
  const auto spec = parse_job(text, JobFormat::kGuess, "job.toml");
  return spec ? "" : spec.error().message;
}

JobSpec parsed(std::string_view text) {
  auto spec = parse_job(text, JobFormat::kGuess, "job.toml");
  EXPECT_TRUE(spec) << spec.error().message;
  return spec.value_or(JobSpec{});
}

constexpr std::string_view kEverything = R"(
name = "train"
image = "torch"
command = ["python3", "train.py", "--epochs=3"]
cpus = 2.5
memory = "2GiB"
accelerators = 8
accelerator_kind = ["h100", "mi300x"]
nodes = 4
tasks_per_node = 2
one_domain = true
time_limit = "1h30m"
priority_class = "high"
deadline = 2026-12-24T18:00:00Z
deferrable = true
retries = 2
requeue = false
preemptible = false
checkpoint_signal = "USR1"
grace = "45s"
array = "0-9:3,20"
after = ["17", "18_3"]
zones = ["FR", "SE-SE3"]
network = "host"
scratch = "512MiB"
disk = 1073741824
log_max = "1MiB"

[env]
SEED = "7"

[[secret]]
name = "HF_TOKEN"

[[secret]]
name = "key"
path = "/home/key"

[[mount]]
source = "/srv/data"
path = "/data/set"

[[mount]]
source = "/srv/out"
path = "/data/out"
mode = "rw"
)";

TEST(JobSpec, EveryKeyIsRead) {
  JobSpec wanted;
  wanted.name = "train";
  wanted.image = "torch";
  wanted.command = {"python3", "train.py", "--epochs=3"};
  wanted.cpu_milli = 2500;
  wanted.memory_mib = 2048;
  wanted.accelerators = 8;
  wanted.accelerator_kind = {"h100", "mi300x"};
  wanted.nodes = 4;
  wanted.tasks_per_node = 2;
  wanted.one_domain = true;
  wanted.time_limit = seconds(5400);
  wanted.priority_class = "high";
  wanted.deadline = *parse_rfc3339("2026-12-24T18:00:00Z");
  wanted.deferrable = true;
  wanted.retries = 2;
  wanted.requeue = false;
  wanted.preemptible = false;
  wanted.checkpoint_signal = SIGUSR1;
  wanted.grace = seconds(45);
  wanted.array = {0, 3, 6, 9, 20};
  wanted.after = {"17", "18_3"};
  wanted.zones = {"FR", "SE-SE3"};
  wanted.env = {{"SEED", "7"}};
  wanted.secrets = {{"HF_TOKEN", "/run/secrets/HF_TOKEN"}, {"key", "/home/key"}};
  wanted.mounts = {{"/srv/data", "/data/set", false}, {"/srv/out", "/data/out", true}};
  wanted.host_network = true;
  wanted.scratch_bytes = 512LL << 20;
  wanted.disk_bytes = 1LL << 30;
  wanted.log_max_bytes = 1LL << 20;
  EXPECT_EQ(parsed(kEverything), wanted);
}

TEST(JobSpec, AMountHasAPlaceOfItsOwn) {
  const auto file = [](std::string_view one, std::string_view two) {
    return fmt::format(
        "command = ['a']\n[[mount]]\nsource = '/s'\npath = '{}'\n"
        "[[mount]]\nsource = '/t'\npath = '{}'\n",
        one, two);
  };
  for (const char* path : {"/work", "/output", "/output/x", "/m/below", "/"})
    EXPECT_TRUE(fault_of(file("/m", path)).starts_with("job.toml:7: mount.path: ")) << path;
  EXPECT_TRUE(fault_of(file("/m/below", "/m")).starts_with("job.toml:7: mount.path: "));
  for (const char* path : {"/usr", "/bin", "/lib64", "/proc", "/dev"})
    EXPECT_TRUE(fault_of(file("/m", path)).starts_with("job.toml:7: mount.path: nothing could run with"))
        << path;
  EXPECT_EQ(parsed(file("/m", "/more")).mounts.size(), 2U);
  EXPECT_EQ(parsed(file("/etc/ssl", "/dev/shm")).mounts.size(), 2U) << "a folder of the image may be covered";
}

TEST(JobSpec, ASecretHasAPlaceOfItsOwn) {
  const auto file = [](std::string_view secret, std::string_view mount) {
    return fmt::format(
        "command = ['a']\n[[mount]]\nsource = '/s'\npath = '{}'\n[[secret]]\nname = 'key'\npath = '{}'\n",
        mount, secret);
  };
  for (const char* path : {"/work", "/output/key", "/usr/key", "/data/key", "/proc/key", "/dev/key"})
    EXPECT_TRUE(fault_of(file(path, "/m")).starts_with("job.toml:7: secret.path: lies in /")) << path;
  EXPECT_EQ(fault_of(file("/m/key", "/m")),
            "job.toml:4: mount.path: /m and the secret at /m/key lie in each other");
  EXPECT_TRUE(fault_of(file("/run/key", "/run/key/m")).starts_with("job.toml:4: mount.path: "));
  EXPECT_EQ(parsed(file("/run/key", "/m")).secrets.size(), 1U);
}

TEST(JobSpec, OnlyTheCommandMustBeThere) {
  JobSpec wanted;
  wanted.command = {"true"};
  EXPECT_EQ(parsed("command = ['true']"), wanted);
  EXPECT_EQ(parsed("\n {\"command\": [\"true\"]}"), wanted) << "JSON is told by its brace";
  EXPECT_EQ(fault_of(""),
            R"(job.toml:1: command: is missing: want an array such as ["python3", "train.py"])");
  EXPECT_EQ(wanted.cpu_milli, 1000);
  EXPECT_EQ(wanted.memory_mib, 1024);
  EXPECT_EQ(wanted.image, "base");
}

TEST(JobSpec, AFaultNamesLineAndKey) {
  const auto with = [](std::string_view line) { return fault_of("command = ['a']\n\n" + std::string(line)); };
  EXPECT_EQ(with("cpu = 2"), "job.toml:3: cpu: there is no such key; did you mean 'cpus'?");
  EXPECT_EQ(with("time_limt = '1h'"),
            "job.toml:3: time_limt: there is no such key; did you mean 'time_limit'?");
  EXPECT_TRUE(with("cpus = 0").starts_with("job.toml:3: cpus: 0 is not in 0.01"));
  EXPECT_TRUE(with("cpus = nan").starts_with("job.toml:3: cpus: "));
  EXPECT_TRUE(with("memory = '2 gigs'").starts_with("job.toml:3: memory: want a size such as \"2GiB\""));
  EXPECT_TRUE(with("memory = -1").starts_with("job.toml:3: memory: "));
  EXPECT_TRUE(with("accelerators = 1.5").starts_with("job.toml:3: accelerators: want a whole number"));
  EXPECT_TRUE(with("accelerators = '0.001'").starts_with("job.toml:3: accelerators: "));
  EXPECT_TRUE(with("accelerators = true").starts_with("job.toml:3: accelerators: "));
  EXPECT_TRUE(with("accelerator_kind = 'h100'").contains("how many of this kind?"));
  EXPECT_TRUE(with("nodes = 101\ntasks_per_node = 100").contains("more than 10000 tasks"));
  EXPECT_TRUE(with("spread = 'domain'").contains("'domain' is none of none, node, rack, rail"));
  EXPECT_TRUE(with("spread = 'rail'\ntasks_per_node = 2").contains("tasks_per_node is above 1"));
  EXPECT_TRUE(with("time_limit = 0").starts_with("job.toml:3: time_limit: want a time such as"));
  EXPECT_TRUE(with("priority_class = 'urgent'").contains("'urgent' is none of low, normal, high"));
  EXPECT_TRUE(with("deadline = 'tomorrow'").starts_with("job.toml:3: deadline: "));
  EXPECT_TRUE(with("deferrable = true").contains("needs a deadline"));
  EXPECT_TRUE(with("deferrable = true\ndeadline = 2030-01-01")
                  .starts_with("job.toml:3: deferrable: needs a time_limit"));
  EXPECT_TRUE(with("checkpoint_signal = 'KILL'").contains("'KILL' is no signal that a job may be sent"));
  EXPECT_TRUE(with("array = '9-0'").contains("is no list of indices"));
  EXPECT_TRUE(with("after = ['x']").contains("'x' is no job's id"));
  EXPECT_TRUE(with("network = 'all'").contains("none of none, host"));
  EXPECT_TRUE(with("image = '../x'").starts_with("job.toml:3: image: "));
  EXPECT_TRUE(with("[env]\n\"A B\" = '1'").starts_with("job.toml:4: env.A B: is no name of a variable"));
  EXPECT_TRUE(with("[env]\nMILLRACE_X = '1'").contains("are set by the platform"));
  EXPECT_EQ(with("[env]\nN = 1"), "job.toml:4: env.N: want a string in quotes");
  EXPECT_EQ(fault_of("command = []"), "job.toml:1: command: names no program");
  EXPECT_TRUE(fault_of("command = 'true'").starts_with("job.toml:1: command: want an array of strings"));
  EXPECT_TRUE(fault_of("{\"command\": [\"a\"],\n\n\"retries\": -1}").starts_with("job.toml:3: retries: "));
}

TEST(JobSpec, WhatIsNeitherTomlNorJsonIsToldWhatIsWanted) {
  for (const char* text : {"this is <xml>", R"({"command": )", "#!/bin/sh\npython3 train.py --all"}) {
    const std::string fault = fault_of(text);
    EXPECT_TRUE(fault.starts_with("job.toml:")) << fault;
    EXPECT_TRUE(fault.ends_with(R"(; want TOML or JSON with at least a command, such as: )"
                                R"(command = ["python3", "train.py"])"))
        << fault;
  }
  EXPECT_TRUE(fault_of("cpus = 2").contains("command: is missing: want an array")) << "it is a job file";
}

TEST(JobSpec, PathsThatLeadElsewhereAreRefused) {
  for (const char* path : {"", "/", "x", "/a/../b", "/a/./b", "//a", "/a/", "/a//b", "/a\\nb"}) {
    const auto mount = fmt::format("command = ['a']\n[[mount]]\nsource = '/s'\npath = \"{}\"\n", path);
    EXPECT_TRUE(fault_of(mount).starts_with("job.toml:4: mount.path: ")) << path << ": " << fault_of(mount);
    const auto source = fmt::format("command = ['a']\n[[mount]]\nsource = \"{}\"\npath = '/p'\n", path);
    EXPECT_TRUE(fault_of(source).starts_with("job.toml:3: mount.source: ")) << path;
    const auto secret = fmt::format("command = ['a']\n[[secret]]\nname = 's'\npath = \"{}\"\n", path);
    EXPECT_TRUE(fault_of(secret).starts_with("job.toml:4: secret.path: ")) << path;
  }
  EXPECT_TRUE(fault_of("command = ['a']\n[[secret]]\nname = 'a/b'\n")
                  .contains("secret.name: is no name of a secret"));
  EXPECT_TRUE(fault_of("command = ['a']\n[[secret]]\nname = 'a'\n[[secret]]\nname = 'a'\n")
                  .contains("is there twice"));
  EXPECT_TRUE(fault_of("command = ['a']\n[[mount]]\nsource = '/a'\npath = '/b'\nmode = 'w'\n")
                  .starts_with("job.toml:5: mount.mode: "));
}

TEST(JobSpec, AFractionIsOfOneAccelerator) {
  for (const char* text : {"accelerators = 0.5", "accelerators = '0.5'"}) {
    const JobSpec spec = parsed(std::string("command = ['a']\n") + text);
    EXPECT_EQ(spec.accelerators, 1);
    EXPECT_EQ(spec.accelerator_milli, 500);
  }
  EXPECT_EQ(parsed("command = ['a']\naccelerators = '2'").accelerators, 2);
  EXPECT_EQ(parsed("command = ['a']\naccelerators = 1\naccelerator_kind = 'x'").accelerator_kind,
            std::vector<std::string>{"x"});
}

TEST(JobSpec, TasksAreSpreadOverNodesRacksOrRails) {
  EXPECT_EQ(parsed("command = ['a']\nspread = 'node'").spread, scheduler::Spread::kNode);
  const JobSpec spec = parsed("command = ['a']\nnodes = 2\nspread = 'rail'");
  EXPECT_EQ(spec.spread, scheduler::Spread::kRail);
  EXPECT_EQ(wanted_of(spec, Submission{.number = 1}).front().spread, scheduler::Spread::kRail);
}

TEST(JobSpec, IsBounded) {
  EXPECT_TRUE(fault_of(std::string(kJobFileMax + 1, ' ')).contains("at most 1048576 bytes"));
  EXPECT_TRUE(fault_of("command = ['" + std::string(200'000, 'x') + "']").contains("command: has more than"));
  EXPECT_TRUE(fault_of("command = ['a']\narray = '0-10000'").contains("more than 10000 elements"));
  EXPECT_TRUE(fault_of("command = [\"a\\u0000b\"]").contains("command: holds a NUL"));
}

TEST(JobArray, IsReadAndWrittenInRanges) {
  using Indices = std::vector<std::uint32_t>;
  EXPECT_EQ(parse_array("0-3"), (Indices{0, 1, 2, 3}));
  EXPECT_EQ(parse_array("5,1,3,1"), (Indices{1, 3, 5}));
  EXPECT_EQ(parse_array("0-99:25,7"), (Indices{0, 7, 25, 50, 75}));
  for (const char* text :
       {"", ",", "1,", "a", "1-", "-1", "0-9:0", "0-9:", "1-2-3", "0 - 9", "1048576", "99999999999"}) {
    EXPECT_FALSE(parse_array(text)) << text;
  }
  EXPECT_EQ(format_array({0, 1, 2, 3, 10, 20, 30, 40, 41}), "0-3,10-40:10,41");
  EXPECT_EQ(format_array({4, 9}), "4,9");
  EXPECT_FALSE(parse_array("0-1048575,0-1048575")) << "counted before they are made";
}

RC_GTEST_PROP(JobArray, IsReadAsItWasWritten, ()) {
  const auto set = *rc::gen::container<std::set<std::uint32_t>>(rc::gen::inRange<std::uint32_t>(0, 300));
  RC_PRE(!set.empty());
  const std::vector<std::uint32_t> indices(set.begin(), set.end());
  RC_ASSERT(parse_array(format_array(indices)).value() == indices);
}

std::vector<std::string> any_texts(std::size_t least) {
  const auto text = rc::gen::nonEmpty(
      rc::gen::container<std::string>(rc::gen::map(rc::gen::inRange(1, 127), [](int c) { return char(c); })));
  const auto all = *rc::gen::container<std::vector<std::string>>(text);
  return all.size() >= least ? all : std::vector<std::string>(least, "x");
}

/// Any spec that a file can say.
JobSpec any_spec() {
  JobSpec spec;
  spec.command = any_texts(1);
  spec.cpu_milli = *rc::gen::inRange<std::int64_t>(10, 100'000);
  spec.memory_mib = *rc::gen::inRange<std::int64_t>(1, 1 << 22);
  spec.accelerators = *rc::gen::inRange(0, 33);
  if (spec.accelerators == 1) spec.accelerator_milli = *rc::gen::inRange(10, 1001);
  if (spec.accelerators > 0) spec.accelerator_kind = any_texts(0);
  spec.nodes = *rc::gen::inRange(1, 100);
  spec.tasks_per_node = *rc::gen::arbitrary<bool>() ? 1 : *rc::gen::inRange(1, 100);
  if (*rc::gen::arbitrary<bool>()) spec.time_limit = seconds(*rc::gen::inRange(1, 1'000'000));
  spec.priority_class = *rc::gen::elementOf(std::vector<std::string>{"low", "normal", "high"});
  if (*rc::gen::arbitrary<bool>()) {
    spec.deadline =
        TimePoint(std::chrono::microseconds(*rc::gen::inRange<std::int64_t>(0, 4'000'000'000'000'000)));
    spec.deferrable = spec.time_limit && *rc::gen::arbitrary<bool>();
  }
  spec.retries = *rc::gen::inRange(0U, 1001U);
  spec.requeue = *rc::gen::arbitrary<bool>();
  spec.preemptible = *rc::gen::arbitrary<bool>();
  spec.one_domain = *rc::gen::arbitrary<bool>();
  if (spec.tasks_per_node == 1)
    spec.spread = *rc::gen::element(scheduler::Spread::kNone, scheduler::Spread::kNode,
                                    scheduler::Spread::kRack, scheduler::Spread::kRail);
  spec.host_network = *rc::gen::arbitrary<bool>();
  spec.checkpoint_signal = *rc::gen::elementOf(std::vector<int>{0, SIGUSR1, SIGUSR2, SIGTERM});
  spec.grace = seconds(*rc::gen::inRange(0, 86'401));
  const auto indices =
      *rc::gen::container<std::set<std::uint32_t>>(rc::gen::inRange<std::uint32_t>(0, 1 << 20));
  spec.array.assign(indices.begin(), indices.end());
  for (const int number : *rc::gen::container<std::set<int>>(rc::gen::inRange(0, 1000))) {
    const auto text = fmt::format("N{}", number);
    spec.env[text] = text;
    spec.after.push_back(fmt::format("{}_{}", number, number));
    spec.secrets.push_back({text, "/secret/" + text});
    spec.mounts.push_back({"/" + text, "/mount/" + text, number % 2 == 0});
    if (spec.secrets.size() == 50) break;
  }
  spec.log_max_bytes = *rc::gen::inRange<std::int64_t>(64 << 10, 1LL << 40);
  return spec;
}

RC_GTEST_PROP(JobSpec, IsReadAsItWasWritten, ()) {
  const JobSpec spec = any_spec();
  const auto again = parse_job(to_json(spec), JobFormat::kJson, "job");
  if (!again) RC_FAIL(again.error().message + "\n" + to_json(spec));
  RC_ASSERT(*again == spec);
}

TEST(JobWork, OneJobIsOneWork) {
  const JobSpec spec = parsed(kEverything);
  JobSpec single = spec;
  single.array.clear();
  const auto work = wanted_of(single, {.number = 17,
                                       .tenant = "t",
                                       .project = "p",
                                       .user = "u",
                                       .at = *parse_rfc3339("2026-11-28"),
                                       .after = {control::workload_id(3)},
                                       .workdir_archive = "/blobs/x"});
  ASSERT_EQ(work.size(), 1u);
  const control::WantedWork& one = work.front();
  EXPECT_EQ(one.id, control::workload_id(17));
  EXPECT_EQ(one.name, "17");
  EXPECT_EQ(one.tasks, 8);
  EXPECT_EQ(one.tasks_per_node, 2);
  EXPECT_EQ(one.demand.accelerators, 8);
  EXPECT_EQ(one.kinds, spec.accelerator_kind);
  EXPECT_EQ(one.after, std::vector{control::workload_id(3)});
  EXPECT_EQ(one.program.workdir_archive, "/blobs/x");
  EXPECT_EQ(one.program.env.at("MILLRACE_JOB_ID"), "17");
  EXPECT_FALSE(one.program.env.contains("MILLRACE_ARRAY_INDEX"));
  EXPECT_EQ(one.program.secrets.front().path, "/run/secrets/HF_TOKEN");
  const auto record = control::parse_wanted(control::to_json(one));
  ASSERT_TRUE(record) << record.error().message;
  EXPECT_EQ(*record, one);
}

TEST(JobWork, AnArrayIsOneWorkForEachIndexAndEachKnowsItsOwn) {
  const auto work =
      wanted_of(parsed(kEverything), {.number = 17, .tenant = "t", .project = "p", .user = "u"});
  ASSERT_EQ(work.size(), 5u);
  EXPECT_EQ(work[4].id, control::workload_id(17, 20));
  EXPECT_EQ(work[4].name, "17_20");
  EXPECT_EQ(work[4].program.env.at("MILLRACE_ARRAY_INDEX"), "20");
  EXPECT_EQ(work[4].program.env.at("MILLRACE_ARRAY_ID"), "17");
  EXPECT_EQ(work[4].program.env.at("MILLRACE_ARRAY_SIZE"), "5");
  EXPECT_EQ(work[1].title, "train");
}

TEST(JobWork, WithoutANameTheProgramsIsTheTitle) {
  const auto work = wanted_of(parsed("command = ['/usr/bin/python3', 'x']"), {.number = 1});
  EXPECT_EQ(work.front().title, "python3");
  EXPECT_EQ(parsed("command = ['true']").tasks_per_node, 1);
}

}  // namespace
}  // namespace millrace::platform
