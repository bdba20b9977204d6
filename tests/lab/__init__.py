# SPDX-License-Identifier: Apache-2.0
"""A laboratory: real guests under a private libvirtd that leaves the machine as it found it."""
