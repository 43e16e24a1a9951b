// Engine: plays a site on a virtual clock. It is the world to control's step: it tells what happens, carries out what is
// asked for, and counts. One thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/crowd.h"
#include "control/deferral.h"
#include "control/workload_step.h"
#include "core/result.h"
#include "core/rng.h"
#include "twin/progress.h"
#include "twin/sim/decision_log.h"
#include "twin/sim/event_queue.h"
#include "twin/sim/inputs.h"
#include "twin/sim/job_table.h"
#include "twin/sim/node_room.h"
#include "twin/sim/outlooks.h"
#include "twin/sim/power_book.h"
#include "twin/sim/site_choice.h"
#include "twin/sim/tally.h"
#include "twin/site_config.h"
#include "twin/trace.h"

namespace millrace::twin {

struct EngineOptions {
  VirtualTime start = 0;
  std::optional<VirtualTime> end;  // the clock stops here; nullopt: when all work is over
  std::uint64_t seed = 1;          // of failures
};

class Engine {
 public:
  /// All references must outlive the engine.
  static Result<std::unique_ptr<Engine>> create(const SiteConfig& config, JobSource& source, DecisionLog& log,
                                                const EngineOptions& options);

  /// Plays to the end. kInternal if an invariant of the simulation broke (energy was lost, work was placed on a node that
  /// is down, ...), naming it.
  Result<void> play(const Progress& progress);

  const Tally& tally() const { return tally_; }
  Tally& tally() { return tally_; }
  const PowerBook& power() const { return power_; }
  VirtualTime now() const { return now_; }
  /// Work in the queue.
  std::int64_t waiting() const { return waiting_; }
  /// Work that runs, or is being stopped.
  std::int64_t running() const { return running_; }
  scheduler::Counters scheduler_counters() const { return control_.scheduler().counters(); }
  std::int64_t steps() const { return steps_; }
  /// Folds every stream of random draws: two runs that agree on it drew the same.
  std::uint64_t last_draw() const { return last_draw_; }

 private:
  Engine(const SiteConfig& config, JobSource& source, DecisionLog& log, const EngineOptions& options,
         control::WorkloadState control);

  // engine.cc: the clock and what happens
  void prepare();
  VirtualTime next_time() const;
  void draw_power_lines();
  void advance_clock(VirtualTime to);
  void collect_arrivals();
  void arrive(const TraceJob& job);
  void happen(const SimEvent& event);
  void hear_of_budget(const scheduler::BudgetChange& change);
  std::string_view scope_name(scheduler::Scope scope) const;
  void finish(std::uint32_t slot);
  Result<void> settle_instant();
  bool hopeless() const;
  void give_up();
  double part_done() const;
  Result<void> check() const;
  void sample_fragmentation(double hours);

  // engine_deferral.cc: work that may wait for clean or cheap hours
  void hour_begins();
  void count_crowd();
  std::chrono::microseconds work_left(const Job& job) const;
  std::chrono::seconds grace_of(const Job& job) const;
  bool can_pause(const Job& job) const;
  control::Deferral& deferral_of(const Job& job);
  std::optional<VirtualTime> defer(const Job& job);
  void tell_new_plan(Job& job);
  std::string hold_text(Job& job, const scheduler::Reason& reason);
  void count_deferrable(const Job& job);

  // engine_failures.cc: nodes and feeds that break and are mended
  void plan_failure(EventKind kind, std::uint32_t subject, const FailureRate& rate);
  void node_breaks(scheduler::NodeIndex node);
  void node_is_mended(scheduler::NodeIndex node);
  void is_mended();
  void feed_changes(scheduler::FeedIndex feed, bool broken);
  void take_down(scheduler::NodeIndex node, std::string_view why);
  void bring_up(scheduler::NodeIndex node);
  void break_run(std::uint32_t slot);

  // engine_actions.cc: what control asks for
  void carry_out(const control::StartRun& start);
  void carry_out(const control::StopRun& stop);
  void carry_out(const control::CapRun& cap);
  void carry_out(const control::StoreReason& store);
  void carry_out(const control::Requeued& requeued);
  void carry_out(const control::Settled& settled);
  void carry_out(const control::WarnInfeasible& infeasible);
  void carry_out(const control::WakeAt& wake);
  void count_up(Job& job);
  void count_tokens(const Job& job, double work_us);
  void set_draw(Job& job);
  void clear_draw(Job& job);
  void plan_finish(std::uint32_t slot);
  void end_run(std::uint32_t slot, control::Exit exit);
  void lose_work(Job& job, control::Exit exit);
  void close_books(const Job& job, control::Exit exit);
  void set_hold(Job& job, const scheduler::Reason& reason);
  void log_id(scheduler::WorkloadId id);

  const SiteConfig& config_;
  JobSource& source_;
  DecisionLog& log_;
  EngineOptions options_;
  control::WorkloadState control_;
  KindSpeeds speeds_;
  KindChoice kind_choice_;
  PowerBook power_;
  Outlooks outlooks_;
  SiteChoice sites_;
  /// Of this hour, by the sites where work may go, and whether they have room for it.
  std::map<std::pair<bool, std::vector<scheduler::SiteIndex>>, control::Deferral> deferrals_;
  control::Crowd crowd_;
  scheduler::Amount capacity_;                     // of all sites
  std::vector<scheduler::WorkloadId> deferrable_;  // that are not over, and some that are
  Tally tally_;
  JobTable jobs_;
  EventQueue queue_;
  VirtualTime now_;
  std::optional<TraceJob> next_job_;
  std::vector<BudgetFact> budgets_;
  std::optional<VirtualTime> wake_;
  std::vector<control::WorkloadEvent> events_, events_now_;  // for the next step, of this one
  std::vector<control::WorkloadAction> actions_;
  std::vector<NodeRoom> rooms_;
  std::vector<std::vector<std::uint32_t>> runs_on_;  // by node: slots
  std::vector<std::int32_t> down_;  // by node: failures that hold it down (its own, its feed's)
  std::vector<SeededRng> node_rng_, feed_rng_;
  VirtualTime next_sample_;
  struct TypicalDemand {
    scheduler::Demand demand;
    std::uint64_t kinds = 0;  // as TraceJob::kinds
    std::int64_t count = 0;   // tasks
  };
  std::vector<TypicalDemand> typical_;  // the first demands that were met
  std::int64_t waiting_ = 0, running_ = 0;
  std::int64_t never_fit_ = 0;               // that wait though they fit on no nodes
  std::int64_t power_held_ = 0;              // that wait for want of any power
  std::vector<std::int64_t> power_waiting_;  // by site: those that its own budget holds back
  std::int64_t allocated_milli_ = 0, accelerators_ = 0;
  VirtualTime quiet_since_;         // when last something arrived, started, ended or was told
  std::int64_t facts_to_come_ = 0;  // budgets to be told or to hold
  std::int64_t mends_to_come_ = 0;  // of nodes and feeds that are broken
  VirtualTime mended_at_;           // when the last of them was mended
  std::int64_t steps_ = 0;
  std::uint64_t last_draw_ = 0;
  std::string fault_;  // an invariant that broke
  std::string text_, about_;
};

}  // namespace millrace::twin
