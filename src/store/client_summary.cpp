#include "store/client_summary.hpp"

namespace pebbles::store {

int state_of(const domain::Progress& progress) {
  return (progress.completed ? state_completed : 0) | (progress.has_errors() ? state_with_errors : 0) |
         (progress.has_warnings() ? state_with_warnings : 0);
}

void count_files(ClientSummary& summary, int state, std::int64_t files) {
  ((state & state_completed) != 0 ? summary.completed : summary.running) += files;
  if ((state & state_with_errors) != 0) summary.with_errors += files;
  if ((state & state_with_warnings) != 0) summary.with_warnings += files;
}

}  // namespace pebbles::store
