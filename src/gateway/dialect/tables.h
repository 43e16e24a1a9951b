// The parameter tables of all dialects; each is defined where its rows are.
#pragma once

#include "gateway/dialect/parameter.h"

namespace millrace::gateway::dialect {

const Table& chat_table();
const Table& completions_table();
const Table& embeddings_table();
const Table& responses_table();
const Table& messages_table();

}  // namespace millrace::gateway::dialect
