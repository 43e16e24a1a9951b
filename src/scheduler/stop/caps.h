// Caps: how far running work is capped so that other work may start, and lifted again.
#pragma once

#include <optional>
#include <vector>

#include "scheduler/books/run.h"
#include "scheduler/books/state.h"
#include "scheduler/fit/place.h"

namespace millrace::scheduler {

/// Puts the cap that a running job has now into the plan, in the place of what the plan said of it before. What the executor
/// was told already is left out in the end (settle_caps).
void tell_cap(State& state, Plan& plan, Job& job, Reason reason);

/// The pass is over: what would change nothing is taken out, the rest is told.
void settle_caps(State& state, Plan& plan);

/// Running work that is brought to the lowest cap, the lowest classes first, so that a job may start. As it was again, unless
/// the job did. Nothing starts or ends meanwhile but the job.
class CapsForStart {
 public:
  struct Wanted {
    std::int64_t save_mw = 0;  // of the budget
    bool all = true;           // or nothing
    bool own_class = false;    // of work of the job's class as well
  };
  /// As many as it takes, of classes below the job's. What has just started is left alone.
  CapsForStart(State& state, const Job& job, const Budgeted& budget, Wanted wanted, TimePoint now);
  CapsForStart(const CapsForStart&) = delete;
  CapsForStart& operator=(const CapsForStart&) = delete;
  ~CapsForStart();

  bool any() const { return !lowered_.empty(); }
  /// What has just started could be capped for it in the next pass.
  bool more_later() const { return more_later_; }
  /// The job has started: caps that it does not need are lifted, the highest class first, and the others are told.
  void settle(TimePoint now, Plan& plan);

 private:
  struct Lowered {
    Job* job;
    CapState was;
  };

  State& state_;
  const Job& job_;
  const Budgeted& budget_;
  bool eased_;
  bool more_later_ = false;
  std::vector<Lowered> lowered_;
};

/// Places of a job that nothing but power keeps from starting, for the reasons that find_promised and find_places gave, with
/// `caps` on others until it has started; nullopt if no caps would do, or not yet (`more_later`). Work of its own class is capped only for what it was
/// promised by now, and then it starts at the lowest cap.
std::optional<Found> find_with_others_capped(State& state, Job& job, TimePoint now, const Reason& of_promise,
                                             const Reason& reason, std::optional<CapsForStart>& caps,
                                             bool& more_later);

/// A job that has just started under a cap draws as much as capping running work of lower classes allows.
void cap_lower_for(State& state, Job& job, TimePoint now, Plan& plan);

/// Where budgets have room, the highest class first.
void lift_caps(State& state, TimePoint now, Plan& plan);

}  // namespace millrace::scheduler
