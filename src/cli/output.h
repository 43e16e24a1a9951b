// Output: tables and numbers for people.
#pragma once

#include <boost/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace millrace::cli {

/// Columns padded to their widest cell, one line a row, to stdout.
void print_table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows);

/// One JSON text and a newline, to stdout.
void print_json(const boost::json::value& value);

/// The members of each item as cells.
std::vector<std::vector<std::string>> rows_of(const std::vector<boost::json::value>& items,
                                              const std::vector<std::string>& members);

/// Text of the member, "-" if it is absent or null. Numbers without needless digits.
std::string cell(const boost::json::value& object, std::string_view member);

/// Tells the error on stderr and returns the exit code that fits it.
int report(const Error& error);

}  // namespace millrace::cli
