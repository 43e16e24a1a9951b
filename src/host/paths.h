// Paths: where an installation keeps its state and its unix sockets, where programs lie; environment variables, which say it.
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"

namespace millrace::host {

/// The value of an environment variable; empty if it is not set.
std::string environment(const char* name);

/// Absolute path of the state folder: `given` (the --home option) if not empty, else $MILLRACE_HOME, else ~/.millrace.
/// It need not exist. kInvalidArgument if none of these can be had.
Result<std::string> home_dir(const std::string& given = {});

/// Absolute path of the folder for what can be made again (engines, models, images): `given` if not empty, else
/// $MILLRACE_CACHE, else ~/.cache/millrace. As home_dir otherwise.
Result<std::string> cache_dir(const std::string& given = {});

/// Where a program lies. A name with a slash in it is its own path; any other is looked for in the folders of $PATH, or of
/// /usr/local/bin:/usr/bin:/bin where that is not set. Folders that are not absolute are passed over: what runs must not hang
/// on the folder this process is in. Links are not followed: some programs go by the name they are called by. Empty: there is
/// none that may be run.
std::string find_program(const std::string& name);

/// True for the target of a link at `path`, a path below some folder, that cannot lead out of that folder: relative, ".." only at
/// its start and no more often than there are folders above the link.
bool is_inner_link(std::string_view path, std::string_view target);

/// Folder for this home's unix sockets, created with mode 0700 and checked to be ours. The same home always gets the
/// same folder: HOME/run where that is short enough (at most 52 bytes), else /tmp/millrace-<uid>-<digest of the home>.
/// At least 54 bytes are left for a name below it (a unix socket path has at most 107). kDenied if it exists and
/// belongs to someone else.
Result<std::string> runtime_dir(const std::string& home);

}  // namespace millrace::host
