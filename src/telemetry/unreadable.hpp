#pragma once
#include <string_view>

/// What is told of stored records that cannot be read. Threads: any.
namespace pebbles::telemetry {

/// `what` says which record, and why. `client` and `filename` are as far as they are known. Said once in ten minutes
/// for each record, and counted.
void record_unreadable(std::string_view client, std::string_view filename, std::string_view what);

/// Brings the gauge to this moment: records that were met in the last ten minutes. Call it before it is read.
void refresh_unreadable_records();

}  // namespace pebbles::telemetry
