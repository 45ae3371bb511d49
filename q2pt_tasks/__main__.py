from q2pt_tasks.cli import main

main()
