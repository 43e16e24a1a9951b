// What every command of `millrace twin` does around its run: progress while it goes on, then JSON or a table, or the error.
#pragma once

#include "apps/progress_bar.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "host/system_clock.h"

namespace millrace::apps {

/// run(clock, progress); the bar is gone from the terminal when it returns.
template <typename Run>
auto with_progress(Run run) {
  const host::SystemClock clock;
  ProgressBar bar(clock);
  return run(clock, bar.callback());
}

/// Returns the exit code. `print` shows the value to a person; its JSON comes from the to_json beside its type.
template <typename Value, typename Print>
int show(const Result<Value>& result, bool json, Print print) {
  if (!result) return cli::report(result.error());
  if (json) {
    cli::print_json(to_json(*result));
  } else {
    print(*result);
  }
  return cli::kOk;
}

}  // namespace millrace::apps
