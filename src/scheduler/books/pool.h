// Pool: what is free, used and promised on every node; nodes of equal state are found together.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "scheduler/books/free_times.h"
#include "scheduler/books/job.h"

namespace millrace::scheduler {

/// A state with its devices sorted, most free first, so that nodes which differ only in which devices are free are equal.
struct Canonical {
  NodeState state;
  std::array<std::uint8_t, kDevicesMax> device{};  // device of the node at each sorted position
  std::uint32_t real(std::uint32_t sorted_mask) const;
};
Canonical canonical(const NodeState& state);

/// The freest devices first, so that the states where a demand fits are among the first.
struct FreerFirst {
  bool operator()(const NodeState& a, const NodeState& b) const;
};

/// Nodes of one class with the same free beyond all promises.
struct Peers {
  std::set<NodeIndex> nodes;
  std::int64_t promised = 0;  // of them, nodes with promises
  struct Scored {
    Demand demand;
    std::optional<Fit> fit;
  };
  std::vector<Scored> scored;
};

/// Nodes with promises, the latest first: work that ends before a promise begins may use all that is free until then.
struct UntilPromised {
  struct Entry {
    TimePoint begin;
    NodeIndex node;
    bool operator<(const Entry& other) const {
      return begin != other.begin ? begin > other.begin : node < other.node;
    }
  };
  std::set<Entry> nodes;
  std::vector<Peers::Scored> scored;
};

/// Ready nodes that differ in state only.
struct NodeClass {
  SiteIndex site = 0;
  KindIndex kind = 0;
  std::int32_t accelerators = 0;
  std::int64_t cpu_milli = 0;
  std::int64_t memory_mib = 0;
  bool attested = false;
  std::int64_t cpu_max_mw = 0;
  std::int64_t closed = 0;                                 // nodes that are not ready
  std::vector<NodeIndex> nodes;                            // every one, ready or not, ascending
  std::vector<DomainIndex> domains;                        // with some of them, ascending
  std::map<NodeState, Peers, FreerFirst> lasting;          // by what is free beyond all promises
  std::map<NodeState, UntilPromised, FreerFirst> passing;  // of nodes with promises: by what is free now
  FreeTimes times_behind;                                  // as all that runs or is promised leaves
  FreeTimes times_beside;  // as what runs leaves, and nothing that is promised does

  const FreeTimes& times(bool behind) const { return behind ? times_behind : times_beside; }
};

struct Tenant {
  Job* job = nullptr;
  std::uint32_t devices = 0;
};

/// Capacity of a node that is kept for a job.
struct Promised {
  const Job* job = nullptr;
  std::uint32_t devices = 0;
  TimePoint begin{};
  TimePoint end = kNever;
  bool claim = false;

  /// When it leaves if it starts as soon as it may: its begin may have passed.
  TimePoint leaves(TimePoint now) const { return begin < now ? time_after(end, now - begin) : end; }
};

/// Whose promises a plan heeds: all but those of `except`, and of ranks below `rank_min`. Claims are always heeded.
struct Heed {
  const Job* except = nullptr;
  std::int32_t rank_min = INT32_MIN;
  bool behind = true;  // whether there may be something behind them
  bool operator()(const Promised& p) const { return p.job != except && (p.claim || p.job->rank >= rank_min); }
};

struct NodeRecord {
  ClassIndex node_class = 0;
  std::uint32_t place_in_class = 0;
  Health health = Health::kReady;
  bool listed = false;  // in the maps of its class
  bool gained = false;  // has more free than when the last pass ended
  bool times_stale = true;
  NodeState now;                // free now
  NodeState lasting;            // free now and beyond every promise; equal to `now` without promises
  TimePoint promised = kNever;  // when the first promise here begins
  std::vector<Tenant> running;
  std::vector<Promised> promises;
  std::map<NodeState, Peers, FreerFirst>::iterator lasting_at;          // where it is listed
  std::map<NodeState, UntilPromised, FreerFirst>::iterator passing_at;  // likewise, if it is there
  TimePoint listed_promised = kNever;                                   // when; kNever if it is not
  std::int64_t listed_milli = 0;                                        // of its domain's sum
};

class Pool {
 public:
  explicit Pool(const Cluster& cluster);

  const NodeRecord& node(NodeIndex index) const { return nodes_[index]; }
  std::size_t size() const { return nodes_.size(); }
  std::vector<NodeClass>& classes() { return classes_; }
  const std::vector<NodeClass>& classes() const { return classes_; }
  struct DomainNodes {
    std::vector<NodeIndex> nodes;
    std::int64_t free_milli = 0;  // of accelerators, now, on ready nodes
  };
  const std::vector<DomainNodes>& domains() const { return domains_; }

  void occupy(Job& job, TaskPlace place);
  void vacate(Job& job, TaskPlace place);
  /// Undoes an occupy: nothing was gained by it.
  void undo(Job& job, TaskPlace place);
  /// After a running job's expected end changed.
  void end_changed(const Job& job);
  void promise(const Job& job, const Promise& promise);
  void unpromise(const Job& job, const Promise& promise);
  void set_health(NodeIndex index, Health health);

  /// What work that is over by `until` may use of a node.
  const NodeState& usable(const NodeRecord& record, TimePoint until) const {
    return record.promised >= until ? record.now : record.lasting;
  }

  /// The same for a job that gives up what it is promised there for it. What begins while its own promise lasts was planned
  /// beside it; what begins later counts if the job is to take longer than it was promised.
  NodeState usable_promised(NodeIndex index, const Job& job, TimePoint until) const;

  /// Nodes that gained since they were last taken, and forgets them.
  std::vector<NodeIndex> take_gained();
  void gain(NodeIndex index);
  bool any_gained() const { return !gained_.empty(); }

  /// What the placement policy said of free nodes no longer holds.
  void forget_scores();
  /// Brings the times of a class up to date.
  void refresh_times(ClassIndex index);
  /// When 1, 2, ... tasks fit on the node for good, as what runs and what is promised leaves; at most as many as could ever.
  struct Slot {
    TimePoint at;  // TimePoint{} (the epoch): now
    NodeIndex node;
    std::uint32_t devices;
    std::optional<WorkloadId> because;
    bool behind = false;  // promised work has left by then
    bool operator<(const Slot& other) const { return at != other.at ? at < other.at : node < other.node; }
  };
  void slots(NodeIndex index, const Shape& shape, const Heed& heed, TimePoint now, std::vector<Slot>& out);

  std::uint64_t steps = 0;

 private:
  /// Puts a node in the maps of its class and the sum of its domain where it belongs now.
  void list(NodeIndex index);
  void list_lasting(NodeIndex index, NodeRecord& record);
  void list_passing(NodeIndex index, NodeRecord& record);
  void changed(NodeIndex index);
  void derive(NodeRecord& record) const;
  template <typename Counts>
  void keep_lasting(NodeState& free, const NodeRecord& record, const Job* self, Counts counts) const;
  NodeState empty_state(const NodeRecord& record) const;
  FreeTimes::Times times_of(const NodeRecord& record, bool behind) const;

  struct Change {
    TimePoint at;
    const Job* job;
    std::uint32_t devices;
    std::int32_t sign;  // 1: leaves
    bool is_promised;
  };
  struct From {
    TimePoint at;
    NodeState free;
    std::optional<WorkloadId> because;
    bool behind;
  };
  void find_lasting(const NodeRecord& record, const Heed& heed, TimePoint now);

  void count_apart(const Job& job, NodeIndex index, std::int32_t running, std::int32_t promised) const;

  const Cluster* cluster_;
  std::vector<NodeRecord> nodes_;
  std::vector<NodeClass> classes_;
  std::vector<DomainNodes> domains_;
  std::vector<DomainIndex> domain_of_;
  std::vector<NodeIndex> gained_;
  std::vector<std::vector<NodeIndex>> stale_;  // by class
  std::vector<Change> changes_;                // scratch
  std::vector<From> from_;                     // scratch
};

}  // namespace millrace::scheduler
