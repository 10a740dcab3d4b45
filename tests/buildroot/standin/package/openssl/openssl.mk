$(eval $(virtual-package))
