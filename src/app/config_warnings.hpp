#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "app/config.hpp"

namespace pebbles::app {

/// A setting that is allowed and probably not what was meant.
struct ConfigWarning {
  std::string setting;  ///< a variable's name
  std::string what;     ///< what is wrong and what to do; without any secret
};

/// Of the variables in `names` those that Pebbles does not know and that look like its own: within two edits of one
/// that it knows (one edit of a name of up to five letters), or beginning like its own. Not what Kubernetes and Docker
/// set for services, nor what others may mean (`AWS_…`, `HTTP_PROXY`).
[[nodiscard]] std::vector<ConfigWarning> misspelt_variables(const std::vector<std::string>& names,
                                                            const Environment& environment);

/// What a MongoDB URI says and does not mean: a user name or password that is not percent-encoded, a database of
/// MongoDB's own as the place for the files.
[[nodiscard]] std::vector<std::string> doubts_about_mongo_uri(std::string_view uri);

/// All of these, of the configuration that was loaded from them.
[[nodiscard]] std::vector<ConfigWarning> config_warnings(const Config& config, const Environment& environment,
                                                         const std::vector<std::string>& names);

}  // namespace pebbles::app
