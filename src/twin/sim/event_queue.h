// Event queue: what happens next on the virtual clock. Equal times come out in the order they were put in.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace millrace::twin {

/// Microseconds since 1970 UTC, as TimePoint counts them.
using VirtualTime = std::int64_t;

enum class EventKind : std::uint8_t {
  kFinished,     // subject: slot of a job; the work of its run is done
  kStopped,      // subject: slot of a job; the grace of its run, or the checkpoint it writes, is over
  kNodeDown,     // subject: node
  kNodeUp,       // subject: node
  kFeedDown,     // subject: feed
  kFeedUp,       // subject: feed
  kBudgetKnown,  // subject: index into the budgets of the run
  kBudgetHolds,  // likewise
  kHour,         // an hour begins: deferrable work is asked about
};

struct SimEvent {
  VirtualTime at = 0;
  std::uint64_t order = 0;  // of insertion
  EventKind kind = EventKind::kFinished;
  std::uint32_t subject = 0;
  std::uint32_t version = 0;  // an event whose version is not its subject's any more is void
};

/// A binary heap in one vector. put and take cost log(size); nothing is allocated once the vector has grown.
class EventQueue {
 public:
  void put(VirtualTime at, EventKind kind, std::uint32_t subject, std::uint32_t version = 0) {
    heap_.push_back({.at = at, .order = next_order_++, .kind = kind, .subject = subject, .version = version});
    std::size_t child = heap_.size() - 1;
    while (child > 0) {
      const std::size_t parent = (child - 1) / 2;
      if (!before(heap_[child], heap_[parent])) break;
      std::swap(heap_[child], heap_[parent]);
      child = parent;
    }
  }

  bool empty() const { return heap_.empty(); }
  std::size_t size() const { return heap_.size(); }
  /// The queue must not be empty.
  const SimEvent& next() const { return heap_.front(); }

  /// Removes the next event. The queue must not be empty.
  SimEvent take() {
    const SimEvent taken = heap_.front();
    heap_.front() = heap_.back();
    heap_.pop_back();
    std::size_t parent = 0;
    for (;;) {
      std::size_t least = parent;
      for (std::size_t child = 2 * parent + 1; child <= 2 * parent + 2 && child < heap_.size(); ++child) {
        if (before(heap_[child], heap_[least])) least = child;
      }
      if (least == parent) return taken;
      std::swap(heap_[parent], heap_[least]);
      parent = least;
    }
  }

 private:
  static bool before(const SimEvent& a, const SimEvent& b) {
    return a.at != b.at ? a.at < b.at : a.order < b.order;
  }

  std::vector<SimEvent> heap_;
  std::uint64_t next_order_ = 0;
};

}  // namespace millrace::twin
