// A site of equal nodes, and times on its clock, for tests.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "core/capability.h"
#include "core/clock.h"
#include "scheduler/cluster.h"

namespace millrace::control {

inline TimePoint at(std::int64_t second) { return TimePoint(std::chrono::seconds(1'767'225'600 + second)); }

/// 100 W idle and 700 W at most; nothing else is known of it.
inline Capability test_accelerator() {
  return {.kind = "test",
          .memory_bytes = {},
          .compute_tflops_bf16 = {},
          .memory_bandwidth_gb_per_s = {},
          .interconnect_gb_per_s = {},
          .power_idle_w = 100.0,
          .power_max_w = 700.0};
}

/// Such accelerators, on nodes of 1 kW idle.
inline scheduler::Cluster cluster_of(int nodes, std::int32_t accelerators) {
  scheduler::Cluster cluster;
  cluster.kinds.push_back(test_accelerator());
  cluster.sites.push_back({.name = "local", .zone = "FR", .jurisdiction = "FR"});
  for (int i = 0; i < nodes; ++i) {
    scheduler::Node node;
    node.name = "n" + std::to_string(i);
    node.accelerators = accelerators;
    node.cpu_milli = 64'000;
    node.memory_mib = 256 * 1024;
    node.idle_mw = 1'000'000;
    cluster.nodes.push_back(node);
  }
  return cluster;
}

}  // namespace millrace::control
