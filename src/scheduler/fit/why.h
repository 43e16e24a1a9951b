// Why: what a person is told about work that cannot start.
#pragma once

#include "scheduler/books/state.h"

namespace millrace::scheduler {

/// Why it could not run there even if all were empty.
Reason never_fits(const State& state, const Shape& shape);

/// kCapacity, kDomain or kSpread.
bool lacks_room(ReasonCode code);

/// Whether that comes before room in what is told (power, quota): room may be lacking, too, since what came after it in order
/// took what it could not.
bool comes_before_room(ReasonCode code);
/// Room for `free` of its tasks is there now, promises apart.
Reason room_reason(const State& state, const Job& job, std::int64_t free);

Reason power_reason(const State& state, const PowerLedger::Lack& lack);

/// Of others' promises that keep it from starting, the one that begins first.
void name_promise(const State& state, const Job& job, Reason& reason);

/// When work that lacks room is expected to start, by its promise, and what it waits for until then.
void add_expected(State& state, const Promise& promise, TimePoint now, Reason& reason);

/// Of kPromised: a time that has passed is not told, nor work that has started in this walk (it holds its promise until that
/// is over).
void forget_past(State& state, TimePoint now, Reason& reason);

}  // namespace millrace::scheduler
