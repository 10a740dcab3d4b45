$(eval $(virtual-package))
$(eval $(host-virtual-package))
