MAKEDEVS_LICENSE = GPL-2.0

$(eval $(host-generic-package))
