// Following jobs: their logs as they are written, and their end.
#pragma once

#include <boost/json.hpp>
#include <functional>
#include <string>

#include "cli/client.h"

namespace millrace::cli {

/// What a piece of log is given to.
using LogSink = std::function<void(std::string_view)>;

struct LogChoice {
  std::int64_t task = -1;  // -1: all
  std::int64_t run = 0;    // from 1; 0: the last
};

/// Gives all that the tasks of a job wrote in a run to `sink`, and with `follow` what it goes on to write until it is over;
/// notes (why it waits, a further run, a dropped part) go to stderr. With several tasks each line begins with its number. A
/// server that is away for a moment is waited for.
Result<void> read_log(const Client& client, const std::string& id, const LogChoice& choice, bool follow,
                      const LogSink& sink);

/// The job once it is over.
Result<boost::json::value> wait_for_end(const Client& client, const std::string& id);

/// What `run` and `job wait` end with: the job's own exit code; 128 + signal; 124 where its time was over; 130 where it was
/// cancelled; 1 where there is none.
int exit_code_of(const boost::json::value& job);

/// True for a state that a job does not leave.
bool is_over(std::string_view state);

/// Does `work` again while the server cannot be reached, for a minute at most.
Result<boost::json::value> call_patiently(const Client& client, const std::string& path);

}  // namespace millrace::cli
