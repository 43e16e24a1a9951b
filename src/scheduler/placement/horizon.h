// HorizonFit: Millrace's own policy. It places a task where the least is lost in the end, not only now.
//
// FGD asks what the expected work cannot use at this moment. While nodes are roomy that is nothing anywhere, so its early
// choices are blind, and they are the ones that decide: cpu given away beside idle devices, or a piece of a device left
// that no pair of shapes fills, shows only when the node is nearly full. HorizonFit looks to that end. It fills a copy of
// the node with the expected work until nothing more fits, in several random orders drawn once for all nodes of a kind,
// and counts what stays free: the device time that this state will strand. A second, smaller term is the fragmentation at
// the moment, each shape weighing as many times as it asks for devices: without it a node that small tasks will fill in
// the end looks as good as one kept whole for the large task that comes next.
//
//   loss(state) = mean over orders of what is free when the node is full + w x what the expected work cannot use now
//   score       = loss(after) - loss(before)
//   w           = 1/4 + 7/4 x the share of tasks of several devices in all the device time that is asked for
//
// Where most tasks take a device or less, they fill whatever is left in the end, and the first term is nearly right alone:
// with w a tenth or a half it ends above FGD too, on every mix of that kind that was tried. Where most take several, small
// ones in any order seem to fill a node just as well, and what they break up is missed by the large ones elsewhere: that
// only the second term sees (with a quarter the result was below FGD, with 1 to 4 above it).
//
// Among equal losses the fuller node wins: what is free counts a thousandth. The same orders serve all states, so that
// states differ by what they are and not by the draw; each order holds every shape in its true proportion (systematic
// sampling), which takes most of the noise from so few of them. Work without devices is left out of both terms: it can go
// where no device is left to strand, and it is sent there by the first term. Memory counts as cpu does. The expectation is
// all that is known of the workload; it may be updated at any time (`expect`), and without it the policy is a tightest fit.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "scheduler/fragmentation.h"
#include "scheduler/placement.h"

namespace millrace::scheduler {

class HorizonFit final : public PlacementPolicy {
 public:
  static constexpr std::int64_t kOrders = 16;
  // In each order: enough that the most roomy node is full before it ends (8 devices take 10 to 20 tasks).
  static constexpr std::int64_t kArrivals = 60;

  std::optional<Fit> score(const NodeState& node, const Demand& demand) override;
  void expect(std::span<const TypicalDemand> typical) override;
  bool looks_ahead() const override { return true; }

  /// loss(state), in 1/1024 of a thousandth of a device.
  std::int64_t loss(const FreeNode& node);

 private:
  /// What may come to a node of one kind: kOrders x kArrivals indexes into the shapes that are ever drawn.
  struct Future {
    bool drawn = false;
    std::vector<Demand> shapes;
    std::vector<std::uint32_t> arrivals;
  };

  const Future& future_of(KindIndex kind);
  std::int64_t stranded(const FreeNode& node);

  std::vector<TypicalDemand> typical_;  // that ask for devices
  Fragmentation now_;
  std::int64_t now_unit_ = 0;          // weight of that, in 1/1024
  std::vector<Future> futures_;        // by kind
  std::vector<std::uint8_t> may_fit_;  // by shape of a future; for `stranded` alone
  std::unordered_map<FreeNode, std::int64_t, FreeNodeHash> known_;
};

}  // namespace millrace::scheduler
