# SPDX-License-Identifier: Apache-2.0
"""Which power agents read a guest's powercap tree, each tried in a real guest."""
