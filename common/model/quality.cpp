// SPDX-License-Identifier: Apache-2.0
// Names of the kinds of quality.
#include "common/model/quality.hpp"

namespace vpowercap {

std::string_view to_string(IdleMethod method) {
  switch (method) {
    case IdleMethod::none: return "none";
    case IdleMethod::configured: return "configured";
    case IdleMethod::learned: return "learned";
  }
  return "unknown";
}

std::string_view to_string(IdleConfidence confidence) {
  switch (confidence) {
    case IdleConfidence::none: return "none";
    case IdleConfidence::low: return "low";
    case IdleConfidence::good: return "good";
  }
  return "unknown";
}

std::string_view to_string(DynamicBasis basis) {
  switch (basis) {
    case DynamicBasis::work: return "work";
    case DynamicBasis::bandwidth: return "bandwidth";
  }
  return "unknown";
}

}  // namespace vpowercap
