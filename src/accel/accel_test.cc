#include <gtest/gtest.h>
#include <unistd.h>

#include <set>

#include "accel/cpu/cpu_accelerators.h"
#include "accel/cpu/rapl.h"
#include "accel/fake/fake_accelerators.h"
#include "host/file.h"

namespace millrace::accel {
namespace {

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/millrace-accel-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~Folder() { (void)host::remove_tree(path_); }
  void put(const std::string& name, const std::string& text) const {
    const std::string file = path_ + "/" + name;
    ASSERT_TRUE(host::make_dirs(file.substr(0, file.rfind('/'))));
    ASSERT_TRUE(host::write_file_atomic(file, text));
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// What every implementation of the port promises.
void check_port(Accelerators& accelerators) {
  const auto first = accelerators.discover();
  ASSERT_TRUE(first) << first.error().message;
  const auto second = accelerators.discover();
  ASSERT_TRUE(second);
  ASSERT_EQ(first->size(), second->size());
  std::set<std::string> ids;
  for (std::size_t i = 0; i < first->size(); ++i) {
    EXPECT_EQ((*first)[i].id, (*second)[i].id);
    EXPECT_TRUE(ids.insert((*first)[i].id).second) << "id twice";
    EXPECT_FALSE((*first)[i].capability.kind.empty());
  }
  EXPECT_TRUE(std::is_sorted(first->begin(), first->end(), [](auto& a, auto& b) { return a.id < b.id; }));
}

Capability fake_capability() {
  Capability capability;
  capability.kind = "fake";
  return capability;
}

TEST(Accelerators, EveryImplementationHasStableOrderedIds) {
  CpuAccelerators cpu;
  check_port(cpu);
  FakeAccelerators fake({{.id = "gpu0", .name = "g", .capability = fake_capability(), .cpus = {}},
                         {.id = "gpu1", .name = "g", .capability = fake_capability(), .cpus = {}}});
  check_port(fake);
}

TEST(CpuAccelerators, ThisMachineHasCoresAndMemory) {
  const auto devices = CpuAccelerators().discover();
  ASSERT_TRUE(devices);
  ASSERT_EQ(devices->size(), 1u);
  EXPECT_GE((*devices)[0].cpus.size(), 1u);
  EXPECT_GT((*devices)[0].capability.memory_bytes.value_or(0), 64 << 20);
}

TEST(CpuAccelerators, NameAndMemoryComeFromProc) {
  Folder proc;
  proc.put("cpuinfo", "processor\t: 0\nmodel name\t: Mill 9000\nprocessor\t: 1\nmodel name\t: other\n");
  proc.put("meminfo", "MemTotal:        2048 kB\nMemFree: 1 kB\n");
  const auto devices = CpuAccelerators(proc.path()).discover();
  ASSERT_TRUE(devices);
  EXPECT_EQ((*devices)[0].name, "Mill 9000");
  EXPECT_EQ((*devices)[0].capability.memory_bytes, 2048 * 1024);
}

TEST(CpuAccelerators, MemoryThatCannotBeReadStaysUnknown) {
  Folder proc;
  proc.put("cpuinfo", "nothing\n");
  proc.put("meminfo", "MemTotal: much\n");
  const auto devices = CpuAccelerators(proc.path()).discover();
  ASSERT_TRUE(devices);
  EXPECT_FALSE((*devices)[0].capability.memory_bytes.has_value());
}

TEST(Rapl, AddsPackagesLeavesOutSubZonesAndFollowsTheWrap) {
  Folder sys;
  sys.put("intel-rapl:0/energy_uj", "900\n");
  sys.put("intel-rapl:0/max_energy_range_uj", "1000\n");
  sys.put("intel-rapl:1/energy_uj", "10\n");
  sys.put("intel-rapl:1/max_energy_range_uj", "1000\n");
  sys.put("intel-rapl:0:0/energy_uj", "5\n");
  auto rapl = Rapl::open(sys.path());
  ASSERT_TRUE(rapl) << rapl.error().message;
  EXPECT_EQ((*rapl)->read_uj().value(), 0);
  sys.put("intel-rapl:0/energy_uj", "50\n");
  sys.put("intel-rapl:1/energy_uj", "30\n");
  sys.put("intel-rapl:0:0/energy_uj", "500\n");
  EXPECT_EQ((*rapl)->read_uj().value(), 150 + 20);
}

TEST(Rapl, AMachineWithoutCountersIsToldApart) {
  Folder sys;
  const auto rapl = Rapl::open(sys.path());
  ASSERT_FALSE(rapl);
  EXPECT_EQ(rapl.error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace millrace::accel
