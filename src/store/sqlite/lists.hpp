#pragma once
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "store/progress_reader.hpp"
#include "store/sqlite/recent_streams.hpp"
#include "store/sqlite/rows.hpp"

namespace pebbles::store::sqlite {

/// How a list is read: its statement, by the index that has its order.
[[nodiscard]] std::string list_sql(const ListSort& sort, bool of_owner);

/// Pages of lists over one connection. Threads: as the connection.
class Lists {
 public:
  explicit Lists(const Connection& connection);

  /// Merges the streams in memory, taken before, with the rows of the tables, each stream once, by its newest version.
  [[nodiscard]] ListPage page(const domain::ClientKrn& client, const ListQuery& query,
                              const std::vector<RecentStreams::Latest>& recent);
  /// Counts the rows of the tables as they would be if the streams in memory, taken before, were written out.
  [[nodiscard]] ClientSummary summary(const domain::ClientKrn& client, Timestamp stalled_before,
                                      const std::vector<RecentStreams::Latest>& recent);

 private:
  struct Walked;
  [[nodiscard]] Walked walk(const domain::ClientKrn& client, const ListQuery& query,
                            const std::unordered_map<std::int64_t, Version>& in_memory);

  const Connection& connection_;
  std::map<std::string, Statement> statements_;  ///< of lists, by their text
  Statement states_;
  Statement stalled_;
  Statement facts_;
};

}  // namespace pebbles::store::sqlite
