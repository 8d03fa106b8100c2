"""TaskFlow decorators: ``@task.kling_image_to_video`` and ``@task.kling_storyboard``."""
